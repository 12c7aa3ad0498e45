"""Events: what happens to an instance, told to other programs.

An event is a row first, written in the transaction of what it tells of
(`outbox`); the worker makes a delivery of it for each address that wants it
(`book`), takes turns at the addresses over JetStream (`turns`, `worker`) and
sends (`sender`, which goes nowhere `networks` does not allow). `webhooks` has
the rules of the addresses, for the API and the pages alike.
"""
