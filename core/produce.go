package core

import (
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/partition"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
)

// diskReserve is the free space in bytes below which no client's record is appended: metadata, votes and markers still fit.
const diskReserve = 16 << 20

// pendingProduce is a Produce of which some partitions still wait for their acknowledgement.
type pendingProduce struct {
	conn        ConnID
	correlation int32
	at          api.Reached
	response    api.ProduceResponse
	waiting     []bool // by partition
	left        int

	// Most requests name one partition: all that they need is one allocation.
	oneResult  [1]api.ProduceResult
	oneWaiting [1]bool
}

func newPendingProduce(r *Request) *pendingProduce {
	p := &pendingProduce{conn: r.Conn, correlation: r.Correlation, at: r.Reached()}
	if n := len(r.Produce.Partitions); n <= 1 {
		p.response.Partitions, p.waiting = p.oneResult[:n], p.oneWaiting[:n]
	} else {
		p.response.Partitions, p.waiting = make([]api.ProduceResult, n), make([]bool, n)
	}
	return p
}

// onProduce decides each partition by itself: one bad batch fails its partition only.
func (c *Core) onProduce(r *Request) {
	req := r.Produce
	pending := newPendingProduce(r)
	id := c.newID()
	for i := range req.Partitions {
		p, result := &req.Partitions[i], &pending.response.Partitions[i]
		*result = api.ProduceResult{Topic: p.Topic, Partition: p.Partition, BaseOffset: record.NoOffset, LogStart: record.NoOffset,
			LogAppendTime: record.NoTimestamp, CurrentLeader: record.NoNode, CurrentEpoch: record.NoEpoch}
		if c.producePartition(req.Acks, p, result, id, int32(i)) {
			pending.waiting[i] = true
			pending.left++
		}
	}
	if pending.left == 0 {
		c.replyProduce(pending)
		return
	}
	c.produces[id] = pending
	c.after(timerKey{timerProduce, id}, int64(max(req.TimeoutMs, 0)))
}

// producePartition appends one batch and reports whether its acknowledgement must be waited for.
func (c *Core) producePartition(acks int16, p *api.ProducePartition, result *api.ProduceResult, id uint64, index int32) (parked bool) {
	rep, code := c.replicaFor(p.Topic, p.TopicID, p.Partition)
	if code != errcode.UnknownTopicOrPartition && !p.NoBatch && (acks < -1 || acks > 1) {
		result.Err = errcode.InvalidRequiredAcks
		return false
	}
	if code == errcode.None && len(c.takeUps) > 0 {
		c.configure(rep) // its turn may be some Steps away, and the change is answered
	}
	if code == errcode.None && p.Err != errcode.None {
		code, result.Message, result.Errors = p.Err, p.Message, p.Errors
	}
	if code == errcode.None && p.Batch.Attributes&record.AttrTransactional != 0 {
		code, result.Message = errcode.InvalidTxnState, "transactions are not served yet"
	}
	if code == errcode.None {
		code = rep.CanAppend(acks)
	}
	if code == errcode.None && c.dirs[rep.Dir].free-int64(p.Batch.Size) < diskReserve {
		code = errcode.KafkaStorageError
		result.Message = "the log directory is nearly full: delete topics or add space"
	}
	if code != errcode.None {
		c.refuseProduce(rep, code, p.NoBatch, result)
		return false
	}
	upTo, appendTime := record.NoOffset, p.Batch.MaxTimestamp
	switch v := rep.producers.Check(&p.Batch); v.Kind {
	case producer.Append:
		c.appendTo(rep, &p.Batch)
		result.BaseOffset, upTo = p.Batch.BaseOffset, p.Batch.NextOffset()
	case producer.Duplicate:
		result.BaseOffset, upTo, appendTime = v.Base, v.Last+1, v.Timestamp
	default:
		result.Message = v.Message
		c.refuseProduce(rep, v.Code, false, result)
		return false
	}
	result.LogStart = rep.Start
	if p.Batch.Attributes&record.AttrLogAppendTime != 0 {
		result.LogAppendTime = appendTime
	}
	return acks != 0 && rep.Park(acks, upTo, id, index)
}

// refuseProduce sets an error. Where the log was looked at, a client hears where it begins: not where there is no batch, or no log that could take one.
func (c *Core) refuseProduce(rep *replica, code errcode.Code, noBatch bool, result *api.ProduceResult) {
	result.Err = code
	switch code {
	case errcode.UnknownTopicOrPartition, errcode.NotLeaderOrFollower, errcode.MessageTooLarge, errcode.CorruptMessage, errcode.KafkaStorageError:
	default:
		if rep != nil && !noBatch {
			result.LogStart = rep.Start
		}
	}
}

// appendTo assigns offsets and tells the disk. The producer's state changes in the same breath: were the append refused later, a retry would be
// taken for a duplicate (KAFKA-6683), so nothing may fail from here on but the directory as a whole.
func (c *Core) appendTo(rep *replica, b *record.Batch) {
	if rep.Append(b, c.now.Wall, c.nowMs()) {
		c.roll(rep, b.BaseOffset)
	}
	c.appended(rep, b)
}

// appended tells the disk of a batch that has its place in the log, and remembers its producer.
func (c *Core) appended(rep *replica, b *record.Batch) {
	if at, ok := rep.producers.NextExpiry(c.cfg.ProducerExpirationMs); ok && c.now.Wall >= at {
		rep.producers.Expire(c.now.Wall, c.cfg.ProducerExpirationMs)
	}
	rep.producers.Appended(b, c.now.Wall)
	c.debit(rep.Dir, int64(b.Size))
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskAppend, Stream: rep.ID, Generation: rep.Generation, Batch: *b, Sync: rep.SyncNow(), Index: rep.Indexing(),
		Copied: rep.Following()})
	c.flushLater(rep)
}

// roll has the disk begin a segment at base. All but a log's first come with the state of what lies below: recovery need not read that again.
func (c *Core) roll(rep *replica, base record.Offset) {
	if most := min(rep.JitterMs, rep.Roll.Ms); most > 0 {
		rep.SetJitter(int64(c.random.N(uint64(most))))
	}
	op := DiskOp{Kind: DiskRoll, Stream: rep.ID, Base: base, Index: rep.Indexing()}
	if len(rep.Segments()) > 1 {
		op.State = rep.state()
	}
	c.fx.Disk = append(c.fx.Disk, op)
}

// state is what recovery has to know of everything up to the log end.
func (r *replica) state() *LogState {
	return &LogState{Producers: r.producers.Entries(), Epochs: r.Epochs.Entries()}
}

// replicaFor finds the replica of a partition that a client named.
func (c *Core) replicaFor(topic string, id record.UUID, index int32) (*replica, errcode.Code) {
	t, ok := c.meta.committed.Topic(topic)
	if !ok || (!id.IsZero() && t.ID != id) || index < 0 || int(index) >= len(t.Partitions) {
		return nil, errcode.UnknownTopicOrPartition
	}
	rep, ok := c.replicas[stream.ID{Topic: t.ID, Partition: index}]
	switch {
	case ok:
		return rep, errcode.None
	case c.offline[stream.ID{Topic: t.ID, Partition: index}]:
		return nil, errcode.KafkaStorageError
	}
	return nil, errcode.NotLeaderOrFollower
}

// settle carries on what a partition reports: produces that need not wait, fetches that may have enough.
func (c *Core) settle(rep *replica, facts *partition.Facts) {
	for _, a := range facts.Acked {
		c.produceAcked(a)
	}
	if facts.Moved {
		c.dirs[rep.Dir].files[marksFile].stale = true
		c.readable(rep)
	}
}

func (c *Core) produceAcked(a partition.Ack) {
	pending, ok := c.produces[a.Produce]
	if !ok {
		return // timed out before
	}
	pending.waiting[a.Index] = false
	if result := &pending.response.Partitions[a.Index]; a.Err != errcode.None {
		result.Err, result.BaseOffset = a.Err, record.NoOffset
	}
	if pending.left--; pending.left == 0 {
		c.finishProduce(a.Produce, pending)
	}
}

func (c *Core) finishProduce(id uint64, pending *pendingProduce) {
	delete(c.produces, id)
	c.timers.Cancel(timerKey{timerProduce, id})
	c.replyProduce(pending)
}

func (c *Core) replyProduce(pending *pendingProduce) {
	c.hintProduce(pending.at, &pending.response)
	c.reply(Reply{Conn: pending.conn, Correlation: pending.correlation, Key: api.Produce, Produce: &pending.response})
}

// produceTimedOut answers REQUEST_TIMED_OUT for what is still waiting. The records stay where they are: the client cannot know, and asks again.
func (c *Core) produceTimedOut(id uint64) {
	pending, ok := c.produces[id]
	if !ok {
		return
	}
	for i, waiting := range pending.waiting {
		if waiting {
			pending.response.Partitions[i].Err = errcode.RequestTimedOut
			pending.response.Partitions[i].BaseOffset = record.NoOffset
		}
	}
	c.finishProduce(id, pending)
}
