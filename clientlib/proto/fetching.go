package proto

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// Versions of Fetch: up to 12 topics have names, from 13 on ids.
const (
	fetchByName = 12
	fetchByID   = 17
)

// noSession is the epoch of a Fetch that neither makes a session nor has one.
const noSession = -1

// fetchSession is what is read of one broker together (KIP-227): a request names only what has changed, and an answer only what has news.
type fetchSession struct {
	at    *peer
	id    int32
	epoch int32  // of the next request; 0: it is a full one
	asked uint64 // the request under way; 0: none
	since int64
	byID  bool
	told  []told // by no order
}

// told is a partition as a session has it.
type told struct {
	p     *inPartition
	id    record.UUID
	next  record.Offset
	seeks uint64
	epoch record.Epoch // of the leader that was asked
	keep  bool         // scratch
}

// fetchable reports whether a partition is to be fetched now.
func (p *inPartition) fetchable(c *Client) bool {
	return p.next != record.NoOffset && !p.asked && !p.paused && !p.outside && p.failed == nil && len(p.ahead) < chunksAhead && c.now >= p.since
}

// fetch asks every leader for what is to be fetched of it.
func (k *Consumer) fetch(c *Client) {
	for _, p := range k.list {
		if !p.fetchable(c) {
			continue
		}
		l, ok := c.meta.leaderOf(p.topic, p.partition)
		if !ok || l.epoch > p.checked && l.epoch >= 0 && p.epoch >= 0 {
			continue // settle sees to it
		}
		if at := c.peer(l.broker, forFetch); at != nil && c.reach(at) && k.session(at) == nil {
			k.sessions = append(k.sessions, &fetchSession{at: at})
		}
	}
	for _, s := range k.sessions {
		if s.asked == 0 && c.now >= s.since && s.at.ready() {
			k.fetchFrom(c, s)
		}
	}
}

func (k *Consumer) session(at *peer) *fetchSession {
	for _, s := range k.sessions {
		if s.at == at {
			return s
		}
	}
	return nil
}

// wanted returns the partitions to be fetched in a session.
func (k *Consumer) wanted(c *Client, s *fetchSession) (list []*inPartition, byID bool) {
	byID = true
	for _, p := range k.list {
		if !p.fetchable(c) {
			continue
		}
		l, ok := c.meta.leaderOf(p.topic, p.partition)
		if ok && c.peer(l.broker, forFetch) == s.at && !(l.epoch > p.checked && l.epoch >= 0 && p.epoch >= 0) {
			list = append(list, p)
			byID = byID && c.meta.topics[p.topic].id != record.UUID{}
		}
	}
	return list, byID
}

// fetchFrom asks one broker, if there is anything to ask for.
func (k *Consumer) fetchFrom(c *Client, s *fetchSession) {
	list, byID := k.wanted(c, s)
	if len(list) == 0 {
		return
	}
	if v, ok := s.at.link.version(1, fetchByID); !ok || v <= fetchByName {
		byID = false
	}
	if byID != s.byID {
		s.byID, s.epoch = byID, 0
	}
	if k.cfg.NoSessions {
		s.epoch = noSession
	}
	if s.epoch <= 0 {
		s.told = s.told[:0]
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(k.cfg.MaxWait/millisecond), k.cfg.MinBytes, k.cfg.MaxBytes
	req.SessionID, req.SessionEpoch, req.Rack = s.id, s.epoch, k.cfg.Rack
	if k.cfg.ReadCommitted {
		req.IsolationLevel = 1
	}
	for i := range s.told {
		s.told[i].keep = false
	}
	for _, p := range list {
		k.name(c, s, req, p)
	}
	s.forget(req)
	k.last++
	most := int16(fetchByName)
	if byID {
		most = fetchByID
	}
	if !c.ask(s.at, req, most, tag{ownConsumer, k.last}, c.cfg.RequestTimeout+k.cfg.MaxWait) {
		for _, p := range list {
			k.fail(p, c.unsupported(s.at, "Fetch", 1, most))
		}
		return
	}
	s.asked = k.last
}

// name puts a partition into a request, unless the session has it as it is.
func (k *Consumer) name(c *Client, s *fetchSession, req *kmsg.FetchRequest, p *inPartition) {
	id := c.meta.topics[p.topic].id
	l, _ := c.meta.leaderOf(p.topic, p.partition)
	for i := range s.told {
		if t := &s.told[i]; t.p == p && t.id == id {
			t.keep = true
			if t.next == p.next && t.seeks == p.seeks {
				return
			}
			t.next, t.seeks, t.epoch = p.next, p.seeks, l.epoch
			addFetch(req, p, id, k.asksFor(p, l))
			return
		}
	}
	s.told = append(s.told, told{p: p, id: id, next: p.next, seeks: p.seeks, epoch: l.epoch, keep: true})
	addFetch(req, p, id, k.asksFor(p, l))
}

func (k *Consumer) asksFor(p *inPartition, l leader) kmsg.FetchRequestTopicPartition {
	q := kmsg.NewFetchRequestTopicPartition()
	q.Partition, q.FetchOffset, q.PartitionMaxBytes = p.partition, int64(p.next), k.cfg.PartitionMaxBytes
	q.CurrentLeaderEpoch = int32(l.epoch)
	return q
}

func addFetch(req *kmsg.FetchRequest, p *inPartition, id record.UUID, q kmsg.FetchRequestTopicPartition) {
	if n := len(req.Topics); n > 0 && req.Topics[n-1].Topic == p.topic && record.UUID(req.Topics[n-1].TopicID) == id {
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, q)
		return
	}
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = p.topic, id
	t.Partitions = append(t.Partitions, q)
	req.Topics = append(req.Topics, t)
}

// forget names the partitions of the session that are not to be fetched now.
func (s *fetchSession) forget(req *kmsg.FetchRequest) {
	kept := s.told[:0]
	for _, t := range s.told {
		if t.keep {
			kept = append(kept, t)
			continue
		}
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID = t.p.topic, t.id
		f.Partitions = append(f.Partitions, t.p.partition)
		req.ForgottenTopics = append(req.ForgottenTopics, f)
	}
	s.told = kept
}

// fetched takes an answer.
func (k *Consumer) fetched(c *Client, from *peer, id uint64, resp *kmsg.FetchResponse) {
	s := k.session(from)
	if s == nil || s.asked != id {
		return
	}
	s.asked = 0
	switch code := errcode.Code(resp.ErrorCode); {
	case code != errcode.None:
		s.id, s.epoch = 0, 0
		if code != errcode.FetchSessionIDNotFound && code != errcode.InvalidFetchSessionEpoch {
			s.since = c.now + c.cfg.RetryBackoff
			c.meta.stale = true
		}
		return
	case resp.SessionID == 0: // none was made: every request is a full one
		s.id, s.epoch = 0, 0
	default:
		s.id, s.epoch = resp.SessionID, max(1, s.epoch+1) // after the largest comes 1
	}
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		c.meta.name(b.NodeID, b.Host, b.Port, b.Rack)
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			q := &t.Partitions[j]
			for n := range s.told {
				w := &s.told[n]
				if w.p.partition == q.Partition && (s.byID && w.id == record.UUID(t.TopicID) || !s.byID && w.p.topic == t.Topic) {
					if w.seeks == w.p.seeks && w.next == w.p.next && k.find(w.p.topic, w.p.partition) == w.p {
						k.partition(c, w, q)
					}
					break
				}
			}
		}
	}
}

// partition takes what was fetched of a partition.
func (k *Consumer) partition(c *Client, w *told, q *kmsg.FetchResponseTopicPartition) {
	p := w.p
	if code := errcode.Code(q.ErrorCode); code != errcode.None {
		w.next = record.NoOffset // the session has to be told again
		if code == errcode.OffsetOutOfRange {
			k.outOfRange(p)
			return
		}
		if l := q.CurrentLeader; !c.meta.hint(p.topic, p.partition, leader{l.LeaderID, record.Epoch(l.LeaderEpoch)}) {
			c.meta.stale = c.meta.stale || mayPass(code)
		}
		k.refused(c, p, "Fetch", code)
		return
	}
	p.failures, p.checked = 0, max(p.checked, w.epoch)
	p.watermark = record.Offset(q.HighWatermark)
	if q.LogStartOffset >= 0 {
		p.logStart = record.Offset(q.LogStartOffset)
	}
	if len(q.RecordBatches) == 0 {
		return
	}
	chunk := &Chunk{Topic: p.topic, Partition: p.partition, HighWatermark: p.watermark, LogStart: p.logStart, LastStable: record.Offset(q.LastStableOffset), from: p.next, data: q.RecordBatches, aborted: q.AbortedTransactions}
	it := record.Batches(q.RecordBatches)
	next, epoch := p.next, p.epoch
	for it.Next() {
		next, epoch = max(next, it.Batch.NextOffset()), it.Batch.LeaderEpoch
	}
	if next == p.next { // not one whole batch that is new: brokers since KIP-74 send the first one whole
		k.fail(p, &Error{Op: "Fetch", Topic: p.topic, Partition: p.partition, Code: errcode.CorruptMessage, Message: fmt.Sprintf("%d bytes without a batch at offset %d", len(q.RecordBatches), p.next)})
		return
	}
	chunk.end = next
	p.next, p.epoch = next, epoch
	p.ahead = append(p.ahead, chunk)
}

// outOfRange takes up that a position is outside the log.
func (k *Consumer) outOfRange(p *inPartition) {
	if k.cfg.Reset == ResetNone {
		k.fail(p, &Error{Op: "Fetch", Topic: p.topic, Partition: p.partition, Code: errcode.OffsetOutOfRange, Cause: ErrOffsetOutOfRange,
			Message: fmt.Sprintf("offset %d is outside the log", p.next), Hint: "seek, or set auto.offset.reset"})
		return
	}
	p.outside = true
}

// Received is one record as read. Key and Value alias memory that is the caller's.
type Received struct {
	Offset     record.Offset
	Epoch      record.Epoch
	Timestamp  record.UnixMillis
	Key, Value []byte
	Headers    []record.Header

	// Of the batch that the record is in.
	Attributes    record.Attributes
	ProducerID    record.ProducerID // -1: none
	ProducerEpoch int16             // -1: none
}

// received is a record as it stands in its batch. Its headers are its own, its bytes the batch's.
func received(b *record.Batch, r *record.Record) Received {
	return Received{Offset: b.BaseOffset + record.Offset(r.OffsetDelta), Epoch: b.LeaderEpoch, Timestamp: b.Timestamp(r), Key: r.Key, Value: r.Value,
		Headers: append([]record.Header(nil), r.Headers...), Attributes: b.Attributes, ProducerID: b.ProducerID, ProducerEpoch: b.ProducerEpoch}
}

// Records decodes a chunk: the records at and after the position that it was fetched at, in order, without control records and, if the consumer reads only what
// is committed, without those of aborted transactions. Key and Value alias memory of the chunk's. Every CRC is checked: an error names the batch, and what was
// before it is returned with it.
func (ch *Chunk) Records(codec record.Codec, out []Received) ([]Received, error) {
	aborts := newAborts(ch.aborted)
	it := record.Batches(ch.data)
	for it.Next() {
		b := it.Batch
		if err := b.CheckCRC(); err != nil {
			return out, fmt.Errorf("%s-%d: batch at offset %d: %w", ch.Topic, ch.Partition, b.BaseOffset, err)
		}
		if aborts.skips(&b) || b.Control() || b.NextOffset() <= ch.from {
			continue
		}
		records := b.Records(codec, nil)
		for records.Next() {
			rec := &records.Record
			if b.BaseOffset+record.Offset(rec.OffsetDelta) >= ch.from {
				out = append(out, received(&b, rec))
			}
		}
		if err := records.Err(); err != nil {
			return out, fmt.Errorf("%s-%d: batch at offset %d: %w", ch.Topic, ch.Partition, b.BaseOffset, err)
		}
	}
	return out, nil
}
