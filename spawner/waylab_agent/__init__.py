"""The node agent: runs the jobs of a node's queues through `clearml-agent execute`.

Read it in this order: `gate` (who may run what now), `slots` (the gate that counts),
`journal` (what survives a crash), `claims` (a task becomes ours exactly once),
`launch` and `shim` (a process that outlives the agent), `job` (one job's life),
`ending` (what a job's end means), `agent` (the loop).
"""
