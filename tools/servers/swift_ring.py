"""Write the ring of a kind of server, in which there is one: `swift_ring.py RING PORT`."""

import sys

from swift.common.ring import RingBuilder

RING, PORT = sys.argv[1], int(sys.argv[2])
BUILDER = RingBuilder(6, 1, 1)
BUILDER.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": PORT, "device": "d1", "weight": 1})
BUILDER.rebalance()
BUILDER.get_ring().save(RING)
