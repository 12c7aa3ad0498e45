"""A Node.js for tests: the one that Playwright brings along for its driver, so that none need be installed."""

from playwright._impl._driver import compute_driver_executable

NODE = compute_driver_executable()[0]
