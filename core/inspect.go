package core

import (
	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// PartitionState is what operators see of a replica of this node.
type PartitionState struct {
	Stream        stream.ID
	Topic         string
	LogStart      record.Offset
	HighWatermark record.Offset
	LogEnd        record.Offset
	Written       record.Offset // what is below it is in the file
	Durable       record.Offset // and below it survives a power loss
	Bytes         int64         // in its segments
	Leading       bool
	Failed        bool // its directory is given up
	MinInsync     int32
}

// QuorumState is what operators see of the metadata log.
type QuorumState struct {
	Role          quorum.Role
	Observer      bool          // this node is no voter
	Active        bool          // it is the active controller
	Leader        record.NodeID // NoNode: none that this node knows
	Voted         record.NodeID // in this epoch; NoNode: nobody
	Epoch         record.Epoch
	HighWatermark record.Offset
	LogEnd        record.Offset
}

// Quorum returns the state of the metadata log. It is called between Steps.
func (c *Core) Quorum() QuorumState {
	q := c.meta.quorum
	return QuorumState{Role: q.Role(), Observer: q.Observer(), Active: c.ctl.active, Leader: q.LeaderID(), Voted: q.Voted(), Epoch: q.Epoch(), HighWatermark: q.HighWatermark(), LogEnd: q.Ends.Log}
}

// Place is where a look at all replicas has come to; the zero Place is the beginning.
type Place struct{ dir, at int }

// Inspect appends to out up to n replicas from a place on, and returns where to go on; more is false at the end. It is called between Steps and changes
// nothing. A replica that comes or goes between two calls may be missing or there twice.
func (c *Core) Inspect(p Place, n int, out []PartitionState) (_ []PartitionState, next Place, more bool) {
	for ; p.dir < len(c.dirs); p = (Place{dir: p.dir + 1}) {
		for replicas := c.dirs[p.dir].replicas; p.at < len(replicas); p.at++ {
			if n--; n < 0 {
				return out, p, true
			}
			out = append(out, stateOf(c.replicas[replicas[p.at]]))
		}
	}
	return out, p, false
}

// Look returns the state of one replica; false if it is not here. It is called between Steps.
func (c *Core) Look(id stream.ID) (PartitionState, bool) {
	rep, ok := c.replicas[id]
	if !ok {
		return PartitionState{}, false
	}
	return stateOf(rep), true
}

func stateOf(rep *replica) PartitionState {
	s := PartitionState{Stream: rep.ID, Topic: rep.Topic, LogStart: rep.Start, HighWatermark: rep.HighWatermark(), LogEnd: rep.Ends.Log, Written: rep.Written,
		Durable: rep.Ends.Durable, Leading: rep.Leading(), Failed: rep.Failed() != errcode.None, MinInsync: rep.MinInsync}
	for _, segment := range rep.Segments() {
		s.Bytes += int64(segment.Size)
	}
	return s
}
