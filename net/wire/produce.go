package wire

import (
	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// ProducePartitionsMax bounds the partitions of one Produce request, over all its topics.
const ProducePartitionsMax = 10_000

// The least bytes that an element of an array takes, in any version; array lengths are checked against them.
const (
	produceTopicMin     = 2 // an empty compact name, an empty array
	producePartitionMin = 5 // index, null records
)

// Prepare checks one batch against the policy of its topic and makes a Batch of it, or says why it is refused. It may write into data.
type Prepare func(known *Policies, topic string, id record.UUID, partition int32, data []byte, frame record.FrameID, version int16) api.ProducePartition

// Light is Prepare as far as it takes little. Later says that it would take more, and that nothing has been changed.
type Light func(known *Policies, topic string, id record.UUID, partition int32, data []byte, frame record.FrameID, version int16) (p api.ProducePartition, later bool)

// produceCall is what a Produce request needs, in one allocation where it names one partition.
type produceCall struct {
	request core.Request
	produce api.ProduceRequest
	first   [1]api.ProducePartition
}

// readProduce reads the body of a Produce request, versions 3–11, into call. Each batch is prepared while it is read; its bytes alias the frame. It returns the
// number of batches that still do afterwards. Later: a batch would take longer than DecodeLight may, and those before it are in call.
func (conn *Conn) readProduce(env *Env, c *cursor, call *produceCall, f Frame) (batches int, later bool) {
	req := &call.produce
	req.TransactionalID = string(c.str())
	req.Acks = c.i16()
	req.TimeoutMs = c.i32()
	req.Partitions = call.first[:0]
	for topics := c.array("topics", produceTopicMin, ProducePartitionsMax); topics > 0 && c.err == nil; topics-- {
		name := conn.names.intern(c.text("topic name"))
		partitions := c.array("partitions", producePartitionMin, ProducePartitionsMax-len(req.Partitions))
		if need := len(req.Partitions) + partitions; need > cap(req.Partitions) {
			// Doubling, here too: see decodeFetchTopic.
			req.Partitions = append(make([]api.ProducePartition, 0, max(need, 2*cap(req.Partitions))), req.Partitions...)
		}
		for ; partitions > 0 && c.err == nil; partitions-- {
			index := c.i32()
			data := c.bytes()
			c.tags(nil)
			if c.err != nil {
				return batches, false
			}
			p, later := conn.prepare(env, len(req.Partitions), name, index, data, f)
			if later {
				return batches, true
			}
			if p.Err == errcode.None && p.Batch.Frame != record.NoFrame {
				batches++
			}
			req.Partitions = append(req.Partitions, p)
		}
		c.tags(nil)
	}
	c.tags(nil)
	return batches, false
}

// prepare prepares the i-th batch of a frame, unless that has been done.
func (conn *Conn) prepare(env *Env, i int, topic string, partition int32, data []byte, f Frame) (p api.ProducePartition, later bool) {
	switch {
	case conn.light:
		return env.Light(&conn.policies, topic, record.UUID{}, partition, data, f.ID, f.Version)
	case i < len(conn.ready):
		return conn.ready[i], false
	}
	return env.Prepare(&conn.policies, topic, record.UUID{}, partition, data, f.ID, f.Version), false
}

// sameTopic counts the partitions from i on that belong to one topic and come in one piece: the wire groups by topic.
func sameTopic(partitions []api.ProduceResult, i int) int {
	n := i + 1
	for n < len(partitions) && partitions[n].Topic == partitions[i].Topic {
		n++
	}
	return n
}

// appendProduceResponse writes the body of a Produce response, versions 3–11.
func appendProduceResponse(dst []byte, resp *api.ProduceResponse, version int16, throttleMs int32) []byte {
	flex := version >= produceFlexible
	topics := 0
	for i := 0; i < len(resp.Partitions); i = sameTopic(resp.Partitions, i) {
		topics++
	}
	dst = appendLength(dst, topics, flex)
	for i := 0; i < len(resp.Partitions); {
		end := sameTopic(resp.Partitions, i)
		dst = appendString(dst, resp.Partitions[i].Topic, flex)
		dst = appendLength(dst, end-i, flex)
		for ; i < end; i++ {
			dst = appendProduceResult(dst, &resp.Partitions[i], version, flex)
		}
		dst = appendNoTags(dst, flex)
	}
	dst = appendI32(dst, throttleMs)
	if version < produceHints {
		return appendNoTags(dst, flex)
	}
	return appendNodesTag(dst, resp.Nodes)
}

func appendProduceResult(dst []byte, p *api.ProduceResult, version int16, flex bool) []byte {
	dst = appendI32(dst, p.Partition)
	dst = appendI16(dst, int16(p.Err))
	dst = appendI64(dst, int64(p.BaseOffset))
	dst = appendI64(dst, int64(p.LogAppendTime))
	if version >= 5 {
		dst = appendI64(dst, int64(p.LogStart))
	}
	if version >= 8 {
		dst = appendLength(dst, len(p.Errors), flex)
		for i := range p.Errors {
			dst = appendI32(dst, p.Errors[i].Index)
			dst = appendNullable(dst, p.Errors[i].Message, flex)
			dst = appendNoTags(dst, flex)
		}
		dst = appendNullable(dst, p.Message, flex)
	}
	if version >= produceHints && p.CurrentLeader != record.NoNode {
		return appendLeaderTag(append(dst, 1), 0, p.CurrentLeader, p.CurrentEpoch)
	}
	return appendNoTags(dst, flex)
}

// The versions from which responses tell who leads (KIP-951).
const (
	produceHints = 10
	fetchHints   = 16
)

// appendNodesTag closes a response whose one tagged field, 0, is NodeEndpoints (KIP-951).
func appendNodesTag(dst []byte, nodes []api.Node) []byte {
	if len(nodes) == 0 {
		return append(dst, 0)
	}
	field := appendLength(nil, len(nodes), true)
	for i := range nodes {
		n := &nodes[i]
		field = appendI32(field, int32(n.ID))
		field = appendString(field, n.Host, true)
		field = appendI32(field, n.Port)
		if n.Rack == nil {
			field = append(field, 0)
		} else {
			field = appendString(field, *n.Rack, true)
		}
		field = append(field, 0)
	}
	dst = append(dst, 1, 0)
	dst = appendUvarint(dst, uint32(len(field)))
	return append(dst, field...)
}

// appendLeaderTag writes the tagged field CurrentLeader (KIP-951).
func appendLeaderTag(dst []byte, tag uint32, leader record.NodeID, epoch record.Epoch) []byte {
	dst = appendUvarint(dst, tag)
	dst = append(dst, 4+4+1)
	dst = appendI32(dst, int32(leader))
	dst = appendI32(dst, int32(epoch))
	return append(dst, 0)
}

// names keeps the topic names that a connection has used, so that a produce to one of them does not allocate its name again.
type names struct{ known map[string]string }

const (
	namesMax = 256 // topics of one connection that are remembered; with one more all are forgotten
	nameMax  = 249 // Kafka's longest legal topic name; longer ones are refused later and not remembered
)

func (n *names) intern(b []byte) string {
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) > nameMax {
		return s
	}
	if n.known == nil || len(n.known) >= namesMax {
		n.known = make(map[string]string)
	}
	n.known[s] = s
	return s
}
