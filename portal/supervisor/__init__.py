"""What `manage.py run` is made of: it starts the portal's processes and keeps them up.

- `folder`: one portal a data folder
- `launch`: a process that cannot outlive its supervisor
- `child`: one process, its log lines, its end
- `loop`: several of them, restarted with back-off, stopped in order
- `nats`: the bundled nats-server
- `first_run`: database, static files, first administrator
- `plan`: which processes make a portal
- `welcome`: what is printed
"""
