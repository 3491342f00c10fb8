package fetch

import (
	"math"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/stream"
	"odradek/core/timer"
)

const (
	// evictionMs is Kafka's min.incremental.fetch.session.eviction.ms: a session that was not used for so long gives way to any other, and one that is
	// younger never gives way to another one of the same kind.
	evictionMs = 120_000
	// PartitionsMax bounds the partitions of all sessions, and so their memory: about 300 bytes each. Who comes later gets no session.
	PartitionsMax = 500_000
)

// Sessions is the cache of fetch sessions. Each stands at the streams of its partitions, so that what moves there is known at the session's next fetch without
// a look at all of its partitions.
type Sessions struct {
	slots    int
	sessions map[int32]*Session
	byStream map[stream.ID]*Part // the first of its registered partitions
	oldest   *Session            // by last use
	newest   *Session
	parts    int // of all sessions, as each was last used

	// Sessions that may give way, the least valuable first; by session id. Kafka's rule: those of replicas are worth more than those of consumers, then
	// those of more partitions.
	forAll     timer.Queue[int32] // to any other
	forReplica timer.Queue[int32] // to one of a replica

	stats SessionStats
}

// SessionStats are counters of the cache.
type SessionStats struct {
	Sessions, Partitions int   // now
	Created              int64 // sessions made
	Evicted              int64 // sessions that gave way to others
	Incremental          int64 // incremental fetches taken
}

// NewSessions returns a cache for so many sessions.
func NewSessions(slots int) Sessions {
	return Sessions{slots: slots, sessions: map[int32]*Session{}, byStream: map[stream.ID]*Part{}}
}

// Stats returns the counters.
func (c *Sessions) Stats() SessionStats {
	s := c.stats
	s.Sessions, s.Partitions = len(c.sessions), c.parts
	return s
}

// Get returns the session of an id.
func (c *Sessions) Get(id int32) (*Session, bool) {
	s, ok := c.sessions[id]
	return s, ok
}

// Use has an incremental fetch act on its session: partitions are added, changed and forgotten. A session that is left without any, or with too many, must be
// removed by the caller.
func (c *Sessions) Use(req *api.FetchRequest, now int64) (*Session, errcode.Code) {
	s, ok := c.sessions[req.SessionID]
	switch {
	case !ok:
		return nil, errcode.FetchSessionIDNotFound
	case s.Epoch != req.SessionEpoch:
		return nil, errcode.InvalidFetchSessionEpoch
	case s.byID != req.ByID:
		return nil, errcode.FetchSessionTopicIDError
	}
	for i := range req.Partitions {
		s.ask(&req.Partitions[i])
	}
	for i := range req.Forgotten {
		f := &req.Forgotten[i]
		k := key(s.byID, f.Topic, f.TopicID, f.Partition)
		if p, ok := s.parts[k]; ok {
			s.dequeue(p)
			c.deregister(p)
			delete(s.parts, k)
		}
	}
	s.Epoch = nextEpoch(s.Epoch)
	c.touch(s, now)
	c.stats.Incremental++
	return s, errcode.None
}

// Full reports whether the cache has grown over what it may hold.
func (c *Sessions) Full() bool { return c.parts > PartitionsMax }

// Make returns room for a session of so many partitions, and the session that gives way to it, which the caller must remove first. Nobody gets
// room who would displace something more valuable.
func (c *Sessions) Make(size int, privileged bool, now int64) (evicted *Session, ok bool) {
	if len(c.sessions) >= c.slots {
		if evicted = c.evictable(size, privileged, now); evicted == nil {
			return nil, false
		}
	}
	left := c.parts
	if evicted != nil {
		left -= evicted.size
	}
	if left+size > PartitionsMax {
		return nil, false
	}
	if evicted != nil {
		c.stats.Evicted++
	}
	return evicted, true
}

// evictable returns the session that gives way to one of so many partitions, nil if none does.
func (c *Sessions) evictable(size int, privileged bool, now int64) *Session {
	if c.oldest == nil {
		return nil
	}
	if now-c.oldest.lastUsed > evictionMs {
		return c.oldest
	}
	q := &c.forAll
	if privileged {
		q = &c.forReplica
	}
	least, ok := q.Next()
	if !ok || value(privileged, size) <= least {
		return nil
	}
	id, _ := q.Pop(math.MaxInt64)
	q.Set(id, least) // until it is removed
	return c.sessions[id]
}

// value orders sessions by what they are worth.
func value(privileged bool, size int) int64 {
	if privileged {
		return 1<<40 + int64(size)
	}
	return int64(size)
}

// Add makes a session of what a full fetch asked for and was answered. draw returns a random number below its argument.
func (c *Sessions) Add(req *api.FetchRequest, results []api.FetchResult, now int64, draw func(uint64) uint64) *Session {
	s := &Session{Epoch: nextEpoch(api.InitialSessionEpoch), privileged: req.ReplicaID >= 0, byID: req.ByID, created: now,
		parts: make(map[partKey]*Part, len(req.Partitions))}
	for s.ID == 0 || c.sessions[s.ID] != nil {
		s.ID = 1 + int32(draw(math.MaxInt32-1))
	}
	for i := range req.Partitions {
		s.ask(&req.Partitions[i])
	}
	for i := range results {
		r := &results[i]
		s.parts[key(s.byID, r.Topic, r.TopicID, r.Partition)].note(r) // as in Kafka its order stays that of the request; whether it is quiet its first incremental fetch finds out
	}
	c.sessions[s.ID] = s
	c.touch(s, now)
	c.stats.Created++
	return s
}

// touch marks a session as used, and counts it anew.
func (c *Sessions) touch(s *Session, now int64) {
	c.unlink(s)
	if s.newer != nil || s.older != nil {
		panic("invariant: a fetch session stands at two places in the order of last use")
	}
	s.lastUsed, s.older = now, c.newest
	if c.newest != nil {
		c.newest.newer = s
	} else {
		c.oldest = s
	}
	c.newest = s
	c.parts += len(s.parts) - s.size
	s.size = len(s.parts)
	worth, settled := value(s.privileged, s.size), now-s.created > evictionMs
	if settled {
		c.forAll.Set(s.ID, worth)
	}
	if settled || !s.privileged {
		c.forReplica.Set(s.ID, worth)
	}
}

func (c *Sessions) unlink(s *Session) {
	if s.older != nil {
		s.older.newer = s.newer
	} else if c.oldest == s {
		c.oldest = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else if c.newest == s {
		c.newest = s.older
	}
	s.older, s.newer = nil, nil
}

// Remove ends a session. Its parked fetch is the caller's to answer.
func (c *Sessions) Remove(s *Session) {
	if s.gone {
		return
	}
	s.gone = true
	delete(c.sessions, s.ID)
	c.unlink(s)
	c.parts -= s.size
	c.forAll.Cancel(s.ID)
	c.forReplica.Cancel(s.ID)
	for _, p := range s.parts { // any order: each leaves a list of its own stream, and the order of those that stay does not change
		c.deregister(p)
	}
}

// Register has a partition stand at a stream: from here on it hears what happens there.
func (c *Sessions) Register(p *Part, id stream.ID) {
	if p.session.gone || p.registered && p.stream == id {
		return
	}
	c.deregister(p)
	p.stream, p.registered, p.next = id, true, c.byStream[id]
	if p.next != nil {
		p.next.prev = p
	}
	c.byStream[id] = p
}

func (c *Sessions) deregister(p *Part) {
	if !p.registered {
		return
	}
	if p.prev != nil {
		p.prev.next = p.next
	} else if p.next != nil {
		c.byStream[p.stream] = p.next
	} else {
		delete(c.byStream, p.stream)
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.registered, p.prev, p.next = false, nil, nil
}

// Mark tells the sessions of a stream that something changed there which wakes nobody.
func (c *Sessions) Mark(id stream.ID) {
	for p := c.byStream[id]; p != nil; p = p.next {
		p.session.enqueue(p)
	}
}

// Moved tells the sessions of a stream that so many bytes more can be read, and appends to ready the parked fetches that have enough.
func (c *Sessions) Moved(id stream.ID, bytes int64, ready []*Waiter) []*Waiter {
	for p := c.byStream[id]; p != nil; p = p.next {
		p.session.enqueue(p)
		if w := p.session.waiter; w != nil {
			if w.Have += bytes; w.Have >= w.Want {
				ready = append(ready, w)
			}
		}
	}
	return ready
}

// All tells the sessions of a stream that something changed there, and appends their parked fetches to ready.
func (c *Sessions) All(id stream.ID, ready []*Waiter) []*Waiter {
	for p := c.byStream[id]; p != nil; p = p.next {
		p.session.enqueue(p)
		if p.session.waiter != nil {
			ready = append(ready, p.session.waiter)
		}
	}
	return ready
}
