package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// logStarts are the log starts that are no segment's base. A start that a DeleteRecords reply names is durable: the request waits for the checkpoint, and
// only then does the start move, so that nobody ever saw one that a crash takes back.
//
// The checkpoint names partitions by topic and number, as Kafka's does, and so an entry could outlive its topic and be taken for one of a later topic of that
// name. Therefore a new partition waits until a checkpoint without the old entry is stored (cleared).
type logStarts struct {
	version  uint64                      // of the last Store
	stored   uint64                      // the last one known to be on disk
	promised map[stream.ID]record.Offset // starts in the checkpoint, or about to be
	cleared  map[string]uint64           // topics whose entry went: the version in which it is gone
	waiting  []deleting
	deferred []stream.ID // new partitions that wait for a cleared entry
}

// deleting is one DeleteRecords under way.
type deleting struct {
	version  uint64 // of the checkpoint that makes it true
	request  *Request
	response *kmsg.DeleteRecordsResponse
}

// onDeleteRecords promises the starts asked for, and answers when the checkpoint holds them.
func (c *Core) onDeleteRecords(r *Request) {
	req := r.Body.(*kmsg.DeleteRecordsRequest)
	response := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	changed := false
	for i := range req.Topics {
		topic := kmsg.NewDeleteRecordsResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark = p.Partition, -1
			start, code := c.promiseStart(topic.Topic, p.Partition, record.Offset(p.Offset))
			if out.ErrorCode = int16(code); code == errcode.None {
				out.LowWatermark, changed = int64(start), true
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		response.Topics = append(response.Topics, topic)
	}
	if !changed {
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
		return
	}
	c.starts.waiting = append(c.starts.waiting, deleting{c.storeStarts(), r, response})
}

// promiseStart returns the log start that a partition will have. An offset of −1 is the high watermark.
func (c *Core) promiseStart(topic string, partition int32, offset record.Offset) (record.Offset, errcode.Code) {
	rep, code := c.replicaFor(topic, record.UUID{}, partition)
	switch {
	case code != errcode.None:
		return 0, code
	case rep.Failed() != errcode.None:
		return 0, rep.Failed()
	case !rep.Leading():
		return 0, errcode.NotLeaderOrFollower
	}
	if offset == -1 {
		offset = rep.HighWatermark()
	}
	if offset < 0 || offset > rep.HighWatermark() {
		return 0, errcode.OffsetOutOfRange
	}
	start := max(offset, rep.Start, c.starts.promised[rep.ID])
	if start > rep.Start {
		if c.starts.promised == nil {
			c.starts.promised = map[stream.ID]record.Offset{}
		}
		c.starts.promised[rep.ID] = start
	}
	return start, errcode.None
}

// storeStarts writes the checkpoint anew and returns its version. A start needs no entry once a segment that is durable begins there or behind.
func (c *Core) storeStarts() uint64 {
	var entries []CheckpointEntry
	for _, id := range sortedIDs(c.starts.promised) {
		rep, ok := c.replicas[id]
		if !ok || rep.beginsDurably(c.starts.promised[id]) {
			delete(c.starts.promised, id)
			continue
		}
		entries = append(entries, CheckpointEntry{rep.Topic, id.Partition, c.starts.promised[id]})
	}
	c.starts.version++
	c.fx.Stores = append(c.fx.Stores, Store{Slot: startsSlot, Version: c.starts.version, Bytes: FormatCheckpoint(entries)})
	return c.starts.version
}

// startsSlot holds the log starts of the directory in which partitions are made.
var startsSlot = Slot{Dir: metadataDir, Name: LogStartCheckpoint}

// beginsDurably reports whether recovery finds the log to begin at start or behind, whatever a crash takes.
func (r *replica) beginsDurably(start record.Offset) bool {
	segments := r.Segments()
	return len(segments) > 0 && segments[0].Base >= start && r.Ends.Durable > segments[0].Base
}

// startsStored makes true what the checkpoint of that version promises: starts move, segments go, replies leave.
func (c *Core) startsStored(version uint64) {
	s := &c.starts
	s.stored = version
	for len(s.waiting) > 0 && s.waiting[0].version <= version {
		d := s.waiting[0]
		s.waiting = s.waiting[1:]
		for i := range d.response.Topics {
			t := &d.response.Topics[i]
			for j := range t.Partitions {
				if p := &t.Partitions[j]; p.ErrorCode == 0 {
					c.moveStart(t.Topic, p)
				}
			}
		}
		c.reply(Reply{Conn: d.request.Conn, Correlation: d.request.Correlation, Key: d.request.Key, Body: d.response})
	}
	for topic, v := range s.cleared { // any order: each is only removed
		if v <= version {
			delete(s.cleared, topic)
		}
	}
	if len(s.cleared) == 0 {
		c.takeUps = append(c.takeUps, s.deferred...)
		s.deferred = nil
	}
	c.maybeUnfence()
}

func (c *Core) moveStart(topic string, p *kmsg.DeleteRecordsResponseTopicPartition) {
	rep, code := c.replicaFor(topic, record.UUID{}, p.Partition)
	start := record.Offset(p.LowWatermark)
	if code == errcode.None && start > rep.Start && c.starts.promised[rep.ID] < start {
		code = errcode.UnknownTopicOrPartition // the promise was another topic's, of the same name
	}
	if code != errcode.None {
		p.ErrorCode, p.LowWatermark = int16(code), -1
		return
	}
	if start > rep.Start && rep.DeleteBelow(start) {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: rep.ID, To: start})
	}
	p.LowWatermark = int64(rep.Start)
}

// forgetStart drops the entry of a partition that is gone; a new one of that name waits until the checkpoint says so.
func (c *Core) forgetStart(rep *replica) {
	if _, ok := c.starts.promised[rep.ID]; !ok {
		return
	}
	delete(c.starts.promised, rep.ID)
	if c.starts.cleared == nil {
		c.starts.cleared = map[string]uint64{}
	}
	c.starts.cleared[rep.Topic] = c.storeStarts()
}
