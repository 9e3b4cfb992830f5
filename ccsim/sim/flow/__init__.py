"""One flow: a sending side, a receiving side and an application, and what the engine asks of it."""
