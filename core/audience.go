package core

import (
	"odradek/core/api"
	"odradek/core/fetch"
	"odradek/core/record"
	"odradek/core/stream"
)

// audience is one kind of those who fetch: consumers read what is committed, followers whatever is written.
type audience struct {
	waiters  fetch.Waiters
	sessions fetch.Sessions
}

// followerSessions bounds the fetch sessions of followers: one for each log directory of each other broker.
const followerSessions = 1000

func (c *Core) audience(req *api.FetchRequest) *audience {
	if req.ReplicaID >= 0 {
		return &c.followers
	}
	return &c.consumers
}

// readEnd is how far whoever asks may read: a follower to the written end, for it copies what is not committed yet.
func readEnd(req *api.FetchRequest, rep *replica) record.Offset {
	if req.ReplicaID >= 0 {
		return rep.Written
	}
	return rep.ReadEnd()
}

// moved tells that so many bytes more can be read, and appends to ready those that have enough.
func (a *audience) moved(id stream.ID, bytes int64, ready []*fetch.Waiter) []*fetch.Waiter {
	return a.sessions.Moved(id, bytes, a.waiters.Moved(id, bytes, ready))
}

// all tells that something other than bytes changed.
func (a *audience) all(id stream.ID, ready []*fetch.Waiter) []*fetch.Waiter {
	return a.sessions.All(id, a.waiters.All(id, ready))
}

// markSessions tells the sessions of a stream of something that wakes nobody.
func (c *Core) markSessions(id stream.ID) {
	c.consumers.sessions.Mark(id)
	c.followers.sessions.Mark(id)
}

// fetchDue ends the wait of a parked fetch whose time is up.
func (c *Core) fetchDue(id uint64) {
	w, ok := c.consumers.waiters.Get(id)
	if !ok {
		w, ok = c.followers.waiters.Get(id)
	}
	if ok {
		c.wake(w)
	}
}

// copyable tells the followers of a partition how far it can be copied now. moved: the high watermark has moved, of which they hear with whatever comes next.
func (c *Core) copyable(rep *replica, moved bool, ready []*fetch.Waiter) []*fetch.Waiter {
	if len(rep.Assigned().Replicas) < 2 {
		return ready
	}
	from := rep.copyEnd
	rep.copyEnd = rep.Written
	switch {
	case !rep.Leading() || rep.copyEnd > from && !rep.Ring.Covers(from):
		return c.followers.all(rep.ID, ready)
	case rep.copyEnd > from:
		return c.followers.moved(rep.ID, rep.Ring.Bytes(from, rep.copyEnd), ready)
	case moved:
		c.followers.sessions.Mark(rep.ID)
	}
	return ready
}
