//! The per-core reactor: tasks, timers, files, sockets, mailboxes, and the simulated world behind the same surface.
