package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// deleting is one DeleteRecords under way. A start that its reply names is durable: the request waits for the checkpoint of log starts of each directory it
// touches, and only then do starts move, so that nobody ever saw one that a crash takes back. It is answered when the replicas on living brokers have moved theirs,
// too: whoever leads next gives no deleted record (Kafka's low watermark).
type deleting struct {
	id       uint64
	request  *Request
	response *kmsg.DeleteRecordsResponse
	needs    []needed
	moved    bool // the starts are
	late     bool // the request's time is up
}

// needed is the version of a directory's checkpoint of log starts that makes a promise true.
type needed struct {
	dir     stream.DirID
	version uint64
}

// onDeleteRecords promises the starts asked for, and answers when the checkpoints hold them.
func (c *Core) onDeleteRecords(r *Request) {
	req := r.Body.(*kmsg.DeleteRecordsRequest)
	d := &deleting{request: r, response: req.ResponseKind().(*kmsg.DeleteRecordsResponse)}
	for i := range req.Topics {
		topic := kmsg.NewDeleteRecordsResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := &req.Topics[i].Partitions[j]
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark = p.Partition, -1
			start, code := c.promiseStart(d, topic.Topic, p.Partition, record.Offset(p.Offset))
			if out.ErrorCode = int16(code); code == errcode.None {
				out.LowWatermark = int64(start)
			}
			topic.Partitions = append(topic.Partitions, out)
		}
		d.response.Topics = append(d.response.Topics, topic)
	}
	d.id = c.newID()
	c.deletings = append(c.deletings, d)
	c.after(timerKey{timerDelete, d.id}, int64(max(req.TimeoutMillis, 0)))
	c.finishDeletings()
}

// promiseStart returns the log start that a partition will have, and notes what d needs for that. An offset of −1 is the high watermark.
func (c *Core) promiseStart(d *deleting, topic string, partition int32, offset record.Offset) (record.Offset, errcode.Code) {
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
	start := max(offset, rep.Start, c.promised[rep.ID])
	if start > rep.Start {
		c.promise(rep.ID, start)
		if need := (needed{rep.Dir, c.want(rep.Dir, startsFile)}); !slices.Contains(d.needs, need) {
			d.needs = append(d.needs, need)
		}
	}
	return start, errcode.None
}

func (c *Core) promise(id stream.ID, start record.Offset) {
	if c.promised == nil {
		c.promised = map[stream.ID]record.Offset{}
	}
	c.promised[id] = start
}

// beginsDurably reports whether recovery finds the log to begin at start or behind, whatever a crash takes.
func (r *replica) beginsDurably(start record.Offset) bool {
	segments := r.Segments()
	return len(segments) > 0 && segments[0].Base >= start && r.Ends.Durable > segments[0].Base
}

// finishDeletings makes true what checkpoints promise by now: starts move, segments go, replies leave.
func (c *Core) finishDeletings() {
	c.deletings = slices.DeleteFunc(c.deletings, func(d *deleting) bool {
		for _, need := range d.needs {
			if dir := &c.dirs[need.dir]; !dir.failed && dir.files[startsFile].stored < need.version {
				return false
			}
		}
		return c.finishDeleting(d)
	})
}

// deletingDue answers for those whose time is up.
func (c *Core) deletingDue(id uint64) {
	for _, d := range c.deletings {
		d.late = d.late || d.id == id
	}
	c.finishDeletings()
}

// finishDeleting moves the starts, and replies when all replicas have; false if it waits.
func (c *Core) finishDeleting(d *deleting) bool {
	waits := false
	for i := range d.response.Topics {
		t := &d.response.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if p.ErrorCode != 0 {
				continue
			}
			if !d.moved {
				c.moveStart(t.Topic, p)
			}
			if p.ErrorCode == 0 {
				waits = c.startWaits(d, t.Topic, p) || waits
			}
		}
	}
	if d.moved = true; waits {
		return false
	}
	c.timers.Cancel(timerKey{timerDelete, d.id})
	c.reply(Reply{Conn: d.request.Conn, Correlation: d.request.Correlation, Key: d.request.Key, Body: d.response})
	return true
}

// startWaits reports whether a living replica still begins below what was deleted. When the request's time is up, or this node leads no more, it says so instead.
func (c *Core) startWaits(d *deleting, topic string, p *kmsg.DeleteRecordsResponseTopicPartition) bool {
	rep, code := c.replicaFor(topic, record.UUID{}, p.Partition)
	if code == errcode.None && !rep.Leading() {
		code = errcode.NotLeaderOrFollower
	}
	if code == errcode.None {
		low := rep.LowWatermark(func(id record.NodeID) bool { b, ok := c.meta.committed.Broker(id); return ok && !b.Fenced })
		if low >= record.Offset(p.LowWatermark) {
			return false
		}
		if !d.late {
			return true
		}
		code = errcode.RequestTimedOut
	}
	p.ErrorCode, p.LowWatermark = int16(code), -1
	return false
}

func (c *Core) moveStart(topic string, p *kmsg.DeleteRecordsResponseTopicPartition) {
	rep, code := c.replicaFor(topic, record.UUID{}, p.Partition)
	start := record.Offset(p.LowWatermark)
	switch {
	case code != errcode.None:
	case rep.Failed() != errcode.None:
		code = rep.Failed()
	case start > rep.Start && c.promised[rep.ID] < start:
		code = errcode.UnknownTopicOrPartition // the promise was another topic's, of the same name
	}
	if code != errcode.None {
		p.ErrorCode, p.LowWatermark = int16(code), -1
		return
	}
	if start > rep.Start && rep.DeleteBelow(start) {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: rep.ID, To: start})
	}
	c.startMoved(rep)
	for _, w := range c.followers.all(rep.ID, nil) { // its followers are to hear of it now
		c.wake(w)
	}
	p.LowWatermark = int64(rep.Start)
}
