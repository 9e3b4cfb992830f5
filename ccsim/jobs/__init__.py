"""Work in other processes: workers and the pipes to them, forks, pools, the process that draws.

Runs with their twins, sweeps, searches, galleries and pictures all start their processes here. Each
of them ends with the process that started it, and answers JSON with bytes; nothing is unpickled.
"""
