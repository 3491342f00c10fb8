package fetch

import (
	"math"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// Session is what a client that fetches incrementally has told (KIP-227): its partitions, and what each was answered last. A fetch of the session looks only
// at those that may have something to tell, which stand in a queue.
//
// Invariant: of a partition outside the queue the client knows all. Its last answer had no error, there is no record to read at its offset, and watermark
// and log start are as they were answered. Whatever may change that puts it into the queue: a request of the client, or Sessions' Mark, Moved and All.
type Session struct {
	ID    int32
	Epoch int32 // that the next incremental fetch must have

	privileged bool // of a replica: consumers do not displace it
	byID       bool // its topics are named by id
	created    int64
	lastUsed   int64 // in milliseconds
	size       int   // partitions when it was last used: what it counts for in the cache
	gone       bool
	parts      map[partKey]*Part
	first      *Part // of the queue
	last       *Part
	waiter     *Waiter // its parked fetch

	older, newer *Session // by last use
}

// partKey names a partition as its client does.
type partKey struct {
	topic     string
	id        record.UUID
	partition int32
}

// Part is one partition of a session.
type Part struct {
	Asked api.FetchPartition // as last asked for

	session       *Session
	highWatermark record.Offset // as last answered; NoOffset: tell it whatever it is
	logStart      record.Offset
	queued        bool
	before, after *Part // in the queue

	stream     stream.ID
	registered bool
	prev, next *Part // of the same stream
}

// Gone reports whether the session has ended.
func (s *Session) Gone() bool { return s.gone }

// Len returns the number of partitions.
func (s *Session) Len() int { return len(s.parts) }

// Queue returns the partitions that may have something to tell, those first that have waited longest for a place in an answer.
func (s *Session) Queue() []*Part {
	var out []*Part
	for p := s.first; p != nil; p = p.after {
		out = append(out, p)
	}
	return out
}

// Waiter returns the parked fetch of the session, if there is one.
func (s *Session) Waiter() *Waiter { return s.waiter }

func key(byID bool, topic string, id record.UUID, partition int32) partKey {
	if byID {
		return partKey{id: id, partition: partition}
	}
	return partKey{topic: topic, partition: partition}
}

// ask adds a partition or takes its new offset. Either way there may be something to tell.
func (s *Session) ask(asked *api.FetchPartition) *Part {
	k := key(s.byID, asked.Topic, asked.TopicID, asked.Partition)
	p, ok := s.parts[k]
	if !ok {
		p = &Part{session: s, highWatermark: record.NoOffset, logStart: record.NoOffset}
		s.parts[k] = p
	}
	p.Asked = *asked
	s.enqueue(p)
	return p
}

func (s *Session) enqueue(p *Part) {
	if p.queued {
		return
	}
	p.queued, p.before = true, s.last
	if s.last != nil {
		s.last.after = p
	} else {
		s.first = p
	}
	s.last = p
}

func (s *Session) dequeue(p *Part) {
	if !p.queued {
		return
	}
	if p.before != nil {
		p.before.after = p.after
	} else {
		s.first = p.after
	}
	if p.after != nil {
		p.after.before = p.before
	} else {
		s.last = p.before
	}
	p.queued, p.before, p.after = false, nil, nil
}

// Answer takes what a partition is about to be answered, and reports whether the client has to hear it: records, an error, another watermark or log start.
// quiet says that afterwards there is nothing more to tell. A partition that was given records goes behind all others, so that none starves when an answer
// has no room for all.
func (p *Part) Answer(result *api.FetchResult, quiet bool) (tell bool) {
	records := len(result.Extents) > 0
	tell = p.note(result) || records || result.Diverges
	if quiet || records {
		p.session.dequeue(p)
	}
	if !quiet {
		p.session.enqueue(p)
	}
	return tell
}

// note keeps what a partition is answered, and reports whether that is new or an error.
func (p *Part) note(result *api.FetchResult) (news bool) {
	failed := result.Err != errcode.None
	news = failed || result.HighWatermark != p.highWatermark || result.LogStart != p.logStart
	p.highWatermark, p.logStart = result.HighWatermark, result.LogStart
	if failed {
		p.highWatermark = record.NoOffset // when the error goes away, that is told
	}
	return news
}

// nextEpoch follows an epoch: after the largest comes 1, since 0 asks for a new session.
func nextEpoch(epoch int32) int32 {
	if epoch == math.MaxInt32 {
		return 1
	}
	return epoch + 1
}
