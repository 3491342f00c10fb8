package wire

import (
	"odradek/core/api"
)

// Light reports whether a Produce takes no longer to decode than its bytes do to read: none of its batches is compressed, or will be. Any other request is as
// light as it is small. It is of the reading half, before Decode; what is malformed is light, and Decode says what is wrong.
func (c *Conn) Light(env *Env, f Frame) bool {
	if f.Key != api.Produce || env.Costly == nil {
		return true
	}
	flex := flexible(f.Key, f.Version)
	cur := cursor{b: f.Data}
	readHeader(&cur, flex)
	cur.str()
	cur.i16()
	cur.i32()
	for topics := cur.array("topics", produceTopicMin, ProducePartitionsMax); topics > 0 && cur.err == nil; topics-- {
		name := c.names.intern(cur.text("topic name"))
		for partitions := cur.array("partitions", producePartitionMin, ProducePartitionsMax); partitions > 0; partitions-- {
			cur.i32()
			data := cur.bytes()
			cur.tags(nil)
			if cur.err != nil {
				break
			}
			if env.Costly(&c.policies, name, data) {
				return false
			}
		}
		cur.tags(nil)
	}
	return true
}
