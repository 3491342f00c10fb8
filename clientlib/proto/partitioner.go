package proto

import "odradek/core/record"

// Partitioner says how a record without a partition finds one.
type Partitioner uint8

// The partitioners. Each sends a record with a key where Java's client sends it.
const (
	// RoundRobin gives records without a key to the available partitions in turn.
	RoundRobin Partitioner = iota
	// Sticky gives them to one available partition until that has got a batch of them, and then to another (partitioner.class unset in Kafka, KIP-794).
	Sticky
)

// KeyPartition returns the partition of a key among n: toPositive(murmur2(key)) % n, as Java's client has it.
func KeyPartition(key []byte, n int32) int32 { return int32(murmur2(key)&0x7fffffff) % n }

// murmur2 is Kafka's hash of keys (org.apache.kafka.common.utils.Utils).
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// spread is where the records without a key of one topic go.
type spread struct {
	next  int32 // RoundRobin: the partition to try first
	stuck int32 // Sticky: the partition, -1 for none yet
	given int   // Sticky: bytes it has got
}

// choose returns the partition of a record. The topic has partitions; those without a leader are passed over while others have one.
func (s *spread) choose(c *Client, kind Partitioner, t *topic, key []byte, size, batch int) int32 {
	n := int32(len(t.partitions))
	if key != nil {
		return KeyPartition(key, n)
	}
	available := func(from int32) int32 {
		for i := range n {
			if p := (from + i) % n; t.partitions[p].broker >= 0 {
				return p
			}
		}
		return from % n
	}
	if kind == Sticky {
		if s.stuck < 0 || s.stuck >= n || s.given >= batch || t.partitions[s.stuck].broker < 0 {
			s.stuck, s.given = available(int32(c.rng.N(uint64(n)))), 0
		}
		s.given += size
		return s.stuck
	}
	p := available(s.next)
	s.next = (p + 1) % n
	return p
}

// recordOverhead is what a record takes in a batch beside its key, value and headers, at most.
const recordOverhead = 5 + 1 + 10 + 5 + 5 + 5 + 5

// sizeOf is the most that a record takes in a batch, uncompressed.
func sizeOf(m *Message) int {
	n := recordOverhead + len(m.Key) + len(m.Value)
	for i := range m.Headers {
		n += 10 + len(m.Headers[i].Key) + len(m.Headers[i].Value)
	}
	return n
}

// Message is one record to send. A nil key or value is null; Timestamp is the client's clock where NoTimestamp.
type Message struct {
	Key, Value []byte
	Headers    []record.Header
	Timestamp  record.UnixMillis
}
