package runtime

import (
	"sync/atomic"

	"odradek/core/fetch"
)

// sessionCounters are the core's counters of fetch sessions where others may read them.
type sessionCounters struct {
	seen                                                fetch.SessionStats // of whoever attends the mailbox
	sessions, partitions, created, evicted, incremental atomic.Int64
}

// publish is called once a turn. Most turns change nothing.
func (c *sessionCounters) publish(s fetch.SessionStats) {
	if s == c.seen {
		return
	}
	c.seen = s
	c.sessions.Store(int64(s.Sessions))
	c.partitions.Store(int64(s.Partitions))
	c.created.Store(s.Created)
	c.evicted.Store(s.Evicted)
	c.incremental.Store(s.Incremental)
}

// FetchSessions returns the core's counters of fetch sessions.
func (n *Node) FetchSessions() fetch.SessionStats {
	c := &n.sessions
	return fetch.SessionStats{Sessions: int(c.sessions.Load()), Partitions: int(c.partitions.Load()), Created: c.created.Load(),
		Evicted: c.evicted.Load(), Incremental: c.incremental.Load()}
}
