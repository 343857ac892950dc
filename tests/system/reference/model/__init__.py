"""What each transition means, in plain Python: the reference queue without Redis, in virtual time.

``state`` has what is stored; ``jobs``, ``leases``, ``recovery``, ``operators`` and ``limits`` have the transitions, a
function each, which takes the state and what its caller says, changes the state, and returns the reply. ``keys`` tells
which keys a state is in Redis, ``wire`` how a call reads on the wire, ``lockstep`` compares.
"""
