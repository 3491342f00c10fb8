package wire

import (
	"math"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// FetchPartitionsMax bounds the partitions of one Fetch request, over all its topics and its forgotten ones.
const FetchPartitionsMax = 100_000

// The least bytes that an element of an array takes, in any version.
const (
	fetchTopicMin     = 2
	fetchPartitionMin = 16 // index, offset, max bytes
)

// fetchCall is what a Fetch request needs, in one allocation where it names one partition.
type fetchCall struct {
	request core.Request
	fetch   api.FetchRequest
	first   [1]api.FetchPartition
}

// decodeFetch reads the body of a Fetch request, versions 4–18, into call.
func decodeFetch(c *cursor, call *fetchCall, version int16, names *names) {
	req := &call.fetch
	req.ReplicaID, req.ReplicaEpoch = record.NoNode, -1
	if version <= 14 {
		req.ReplicaID = record.NodeID(c.i32())
	}
	req.MaxWaitMs, req.MinBytes, req.MaxBytes = c.i32(), c.i32(), c.i32()
	req.Isolation = api.Isolation(c.i8())
	req.SessionEpoch = api.FinalSessionEpoch
	if version >= 7 {
		req.SessionID, req.SessionEpoch = c.i32(), c.i32()
	}
	req.ByID = version >= 13
	req.Partitions = call.first[:0]
	for topics := c.array("topics", fetchTopicMin, FetchPartitionsMax); topics > 0 && c.err == nil; topics-- {
		decodeFetchTopic(c, req, version, names)
	}
	if version >= 7 {
		decodeForgotten(c, req, version, names)
	}
	if version >= 11 {
		req.Rack = string(c.text("rack"))
	}
	c.tags(func(tag uint32, data []byte) {
		if tag == 1 && version >= 15 { // ReplicaState (KIP-903)
			state := cursor{b: data, flex: true}
			req.ReplicaID = record.NodeID(state.i32())
			req.ReplicaEpoch = state.i64()
			state.tags(nil)
			if state.err != nil {
				c.fail("ReplicaState: %v", state.err)
			}
		}
	})
}

func decodeFetchTopic(c *cursor, req *api.FetchRequest, version int16, names *names) {
	var name string
	var id record.UUID
	if version >= 13 {
		id = c.uuid()
	} else {
		name = names.intern(c.text("topic name"))
	}
	partitions := c.array("partitions", fetchPartitionMin, FetchPartitionsMax-len(req.Partitions))
	if need := len(req.Partitions) + partitions; need > cap(req.Partitions) {
		// Doubling: a thousand topics of one partition each must not copy a thousand times.
		req.Partitions = append(make([]api.FetchPartition, 0, max(need, 2*cap(req.Partitions))), req.Partitions...)
	}
	for ; partitions > 0 && c.err == nil; partitions-- {
		p := api.FetchPartition{Topic: name, TopicID: id, Partition: c.i32(), CurrentEpoch: record.NoEpoch,
			LastFetchedEpoch: record.NoEpoch, LogStart: record.NoOffset}
		if version >= 9 {
			p.CurrentEpoch = record.Epoch(c.i32())
		}
		p.Offset = record.Offset(c.i64())
		if version >= 12 {
			p.LastFetchedEpoch = record.Epoch(c.i32())
		}
		if version >= 5 {
			p.LogStart = record.Offset(c.i64())
		}
		p.MaxBytes = c.i32()
		c.tags(nil) // ReplicaDirectoryId (v17) and HighWatermark (v18) are for replicas
		req.Partitions = append(req.Partitions, p)
	}
	c.tags(nil)
}

func decodeForgotten(c *cursor, req *api.FetchRequest, version int16, names *names) {
	for topics := c.array("forgotten topics", fetchTopicMin, FetchPartitionsMax); topics > 0 && c.err == nil; topics-- {
		var f api.FetchForgotten
		if version >= 13 {
			f.TopicID = c.uuid()
		} else {
			f.Topic = names.intern(c.text("topic name"))
		}
		for n := c.array("forgotten partitions", 4, FetchPartitionsMax-len(req.Forgotten)); n > 0 && c.err == nil; n-- {
			f.Partition = c.i32()
			req.Forgotten = append(req.Forgotten, f)
		}
		c.tags(nil)
	}
}

// Piece is a part of what is sent: bytes, or an extent whose bytes lie in a file.
type Piece struct {
	Bytes    []byte
	Extent   stream.Extent
	IsExtent bool
}

// cut marks the place in the encoded bytes where extents go.
type cut struct {
	at      int
	extents []stream.Extent
}

func sameFetchTopic(partitions []api.FetchResult, i int, byID bool) int {
	n := i + 1
	for n < len(partitions) {
		if byID && partitions[n].TopicID != partitions[i].TopicID || !byID && partitions[n].Topic != partitions[i].Topic {
			break
		}
		n++
	}
	return n
}

// appendFetchResponse writes the body of a Fetch response, versions 4–18, without the records: each cut names extents that belong between the
// bytes before and behind it. It returns besides the number of bytes in all extents.
func appendFetchResponse(dst []byte, cuts []cut, resp *api.FetchResponse, version int16, throttleMs int32) ([]byte, []cut, int64) {
	flex := version >= fetchFlexible
	byID := version >= 13
	dst = appendI32(dst, throttleMs)
	if version >= 7 {
		dst = appendI16(dst, int16(resp.Err))
		dst = appendI32(dst, resp.SessionID)
	}
	topics := 0
	for i := 0; i < len(resp.Partitions); i = sameFetchTopic(resp.Partitions, i, byID) {
		topics++
	}
	dst = appendLength(dst, topics, flex)
	var beyond int64
	for i := 0; i < len(resp.Partitions); {
		end := sameFetchTopic(resp.Partitions, i, byID)
		if byID {
			dst = append(dst, resp.Partitions[i].TopicID[:]...)
		} else {
			dst = appendString(dst, resp.Partitions[i].Topic, flex)
		}
		dst = appendLength(dst, end-i, flex)
		for ; i < end; i++ {
			p := &resp.Partitions[i]
			dst = appendFetchResult(dst, p, resp.Isolation, version, flex)
			if size := p.Size(); size > 0 {
				cuts = append(cuts, cut{len(dst), p.Extents})
				beyond += size
			}
			dst = appendFetchTags(dst, p, version, flex)
		}
		dst = appendNoTags(dst, flex)
	}
	if version < fetchHints {
		return appendNoTags(dst, flex), cuts, beyond
	}
	return appendNodesTag(dst, resp.Nodes), cuts, beyond
}

// appendFetchResult writes one partition up to the length of its records.
func appendFetchResult(dst []byte, p *api.FetchResult, isolation api.Isolation, version int16, flex bool) []byte {
	dst = appendI32(dst, p.Partition)
	dst = appendI16(dst, int16(p.Err))
	dst = appendI64(dst, int64(p.HighWatermark))
	dst = appendI64(dst, int64(p.LastStable))
	if version >= 5 {
		dst = appendI64(dst, int64(p.LogStart))
	}
	// The aborted transactions: none. Kafka has an empty list for who reads what is committed, and for a partition that it does not know; else null.
	if p.Err == errcode.None && isolation == api.ReadCommitted && !p.Diverges || p.Err == errcode.UnknownTopicOrPartition || p.Err == errcode.UnknownTopicID {
		dst = appendLength(dst, 0, flex)
	} else {
		dst = appendLength(dst, -1, flex)
	}
	if version >= 11 {
		dst = appendI32(dst, int32(record.NoNode)) // preferred read replica
	}
	// Empty, not null: old clients do not expect null records.
	return appendLength(dst, int(min(p.Size(), math.MaxInt32)), flex)
}

// appendFetchTags closes a partition: its tagged fields are DivergingEpoch (0), CurrentLeader (1) and SnapshotId (2). Replicas of the metadata log are told in every
// answer who leads, also that nobody does; clients only where it helps them, and in versions that have it (KIP-951).
func appendFetchTags(dst []byte, p *api.FetchResult, version int16, flex bool) []byte {
	if !flex {
		return dst
	}
	at := len(dst)
	dst = append(dst, 0) // how many there are
	if p.Diverges {
		dst[at]++
		dst = append(dst, 0, 4+8+1)
		dst = appendI32(dst, int32(p.DivergingEpoch))
		dst = append(appendI64(dst, int64(p.DivergingEnd)), 0)
	}
	if version >= fetchHints && p.CurrentLeader != record.NoNode || p.TopicID == stream.MetadataTopic {
		dst[at]++
		dst = appendLeaderTag(dst, 1, p.CurrentLeader, p.CurrentEpoch)
	}
	if p.HasSnapshot {
		dst[at]++
		dst = append(dst, 2, 8+4+1)
		dst = appendI64(dst, int64(p.SnapshotEnd))
		dst = append(appendI32(dst, int32(p.SnapshotEpoch)), 0)
	}
	return dst
}

// splice appends to pieces the bytes of buf with the extents at the cuts.
func splice(pieces []Piece, buf []byte, cuts []cut) []Piece {
	from := 0
	for _, c := range cuts {
		pieces = append(pieces, Piece{Bytes: buf[from:c.at]})
		for _, x := range c.extents {
			if x.Len > 0 {
				pieces = append(pieces, Piece{Extent: x, IsExtent: true})
			}
		}
		from = c.at
	}
	return append(pieces, Piece{Bytes: buf[from:]})
}
