package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// fetched takes the answer to a fetcher's fetch.
func (c *Core) fetched(f *fetcher, resp kmsg.Response) {
	f.busy = false
	if c.stop != serving {
		return // the logs are being closed: the checkpoints say where they end
	}
	r, ok := resp.(*kmsg.FetchResponse)
	switch {
	case !ok:
		c.resetSession(f) // nobody knows what the leader took of it
		c.restFetcher(f)
	case errcode.Code(r.ErrorCode) != errcode.None:
		if c.resetSession(f); errcode.Code(r.ErrorCode) != errcode.FetchSessionIDNotFound {
			c.restFetcher(f)
		}
	default:
		for i := range r.Topics {
			t := &r.Topics[i]
			for j := range t.Partitions {
				c.copied(f, stream.ID{Topic: t.TopicID, Partition: t.Partitions[j].Partition}, &t.Partitions[j])
			}
		}
		c.sessionGoesOn(f, r.SessionID)
	}
	c.fetchSoon(f)
}

// sessionGoesOn counts a fetch session's epochs; without one each fetch names everything.
func (c *Core) sessionGoesOn(f *fetcher, id int32) {
	switch {
	case id == 0:
		c.resetSession(f)
	case f.epoch == 1<<31-1:
		f.epoch = 1
	default:
		f.session = id
		f.epoch++
	}
}

// copied takes what the leader told of one partition. It counts only if the replica is still where it asked from (row 22).
func (c *Core) copied(f *fetcher, id stream.ID, p *kmsg.FetchResponseTopicPartition) {
	rep, ok := c.replicas[id]
	if !ok {
		return
	}
	k := &rep.copying
	if k.from != f || !k.told || k.changed || k.generation != rep.Generation || k.offset != rep.Ends.Log || rep.Cutting() {
		return
	}
	switch code := errcode.Code(p.ErrorCode); {
	case code == errcode.OffsetOutOfRange && (p.LogStartOffset > int64(rep.Ends.Log) || rep.Start == rep.Ends.Log && p.LogStartOffset >= 0 && p.LogStartOffset < int64(rep.Start)):
		// Or its log ends before this one, which is empty, so that no epoch tells where they part: of a relaxed topic it may have lost records that were deleted here.
		c.beginCut(rep, cut{all: true, base: record.Offset(p.LogStartOffset)})
	case code != errcode.None || len(rep.lost) > 0: // what is damaged is emptied when others do not count on it any more
		c.restPartition(rep)
	case p.DivergingEpoch.Epoch >= 0 && p.DivergingEpoch.EndOffset >= 0:
		c.parted(rep, record.Epoch(p.DivergingEpoch.Epoch), record.Offset(p.DivergingEpoch.EndOffset), record.Offset(p.LogStartOffset))
	default:
		if c.copyBatches(rep, p.RecordBatches); rep.Cutting() {
			return
		}
		var facts partition.Facts
		rep.Learn(record.Offset(p.HighWatermark), &facts)
		c.settle(rep, &facts)
		c.followStart(rep, record.Offset(p.LogStartOffset))
	}
}

// copyBatches appends what the leader sent. What does not fit is not taken: the partition asks for it again, after a while.
func (c *Core) copyBatches(rep *replica, bytes []byte) {
	if len(bytes) == 0 {
		return
	}
	it := record.Batches(bytes)
	for it.Next() {
		b := it.Batch
		b.Frame = c.frame
		err := b.CheckCRC()
		if err == nil && c.dirs[rep.Dir].free-int64(b.Size) < diskReserve {
			err = fmt.Errorf("the log directory is nearly full: delete topics or add space")
		}
		if err == nil && rep.BeginsWithin(&b) {
			c.cutWithin(rep, &b)
			return // what follows is asked for again
		}
		if err == nil {
			err = c.copyBatch(rep, &b)
		}
		if err != nil {
			c.note(NoteFetchRefused, KeyValue{"topic", rep.Topic}, number("partition", rep.ID.Partition), number("leader", rep.Assigned().Leader), KeyValue{"reason", err.Error()})
			c.copyOn(rep)
			c.restPartition(rep)
			return
		}
	}
	c.copyOn(rep)
}

// copyBatch appends a batch as its leader has it. Its producer was checked there, and is remembered here: this replica may lead next.
func (c *Core) copyBatch(rep *replica, b *record.Batch) error {
	rolled, err := rep.Accept(b, c.now.Wall)
	if err != nil {
		return err
	}
	if rolled {
		c.roll(rep, b.BaseOffset)
	}
	c.appended(rep, b)
	return nil
}

// followStart moves the log start to where the leader's is, as far as this replica knows records to be committed.
func (c *Core) followStart(rep *replica, start record.Offset) {
	if start = min(start, rep.HighWatermark()); start <= rep.Start {
		return
	}
	if rep.DeleteBelow(start) {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: rep.ID, To: start})
	}
	if !rep.beginsDurably(start) { // deleted records must not come back when this replica leads
		c.promise(rep.ID, start)
		c.want(rep.Dir, startsFile)
	}
	c.startMoved(rep)
	c.copyOn(rep) // the leader may wait for it
}

// parted cuts a log where it parts from the leader's, which begins at start.
func (c *Core) parted(rep *replica, epoch record.Epoch, end, start record.Offset) {
	to, latest := rep.Parting(epoch, end), rep.Epochs.Latest()
	switch {
	case end < rep.Start && to == rep.Start: // its leader has lost records that were deleted here: the log begins there now, as Kafka's truncateFullyAndStartAt has it
		c.beginCut(rep, cut{all: true, base: max(end, start)})
	case to < start: // they part in what the leader has deleted, or nothing tells that they do not
		c.beginCut(rep, cut{all: true, base: start})
	case to < rep.Ends.Log:
		c.beginCut(rep, cut{to: to})
	default:
		// No record to cut. But an epoch in which this replica led, and wrote nothing, may stand at the end (Kafka's truncateTo cuts it, too).
		if rep.Epochs.TruncateTo(rep.Ends.Log); rep.Epochs.Latest() < latest {
			c.copyOn(rep)
		} else if rep.Start == rep.Ends.Log { // they part in what is deleted here, too
			c.beginCut(rep, cut{all: true, base: rep.Start})
		} else {
			c.restPartition(rep) // the leader's answer does not fit
		}
	}
}
