package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/record"
	"odradek/core/stream"
)

// A follower copies its leaders' logs. For each leader and each log directory of this node there is one fetcher, with one fetch under way and a fetch session
// (KIP-227). It fetches when everything that the last fetch brought counts: then the offsets that it asks for are claims, and one sync covers what all partitions
// were given.

// fetcher copies the partitions of one log directory from one leader.
//
// Invariants: a partition is in changed if the session does not say what it asks for now; owing counts the partitions that were given what does not count yet; no
// fetch leaves while one is under way, something is owed, or the time to try again has not come.
type fetcher struct {
	fetcherKey
	parts     int         // partitions that copy by it
	told      int         // of them in the session
	changed   []stream.ID // to be told with the next fetch
	forgotten []stream.ID // to leave the session
	session   int32
	epoch     int32 // of the session; 0: it is to be made
	owing     int
	busy      bool        // a fetch is under way
	resting   bool        // no fetch before the timer
	idle      []stream.ID // partitions that were refused: not before the timer
	timed     bool        // the timer is set
}

type fetcherKey struct {
	leader record.NodeID
	dir    stream.DirID
}

// copying is what a replica that follows has to do with its fetcher.
type copying struct {
	from       *fetcher      // nil: it copies from nobody
	offset     record.Offset // that the session asks for
	generation stream.Generation
	told       bool // it is in the session
	changed    bool // in from.changed
	owes       bool // counted in from.owing
}

// partitionsPerFetch bounds the partitions that one fetch names.
const partitionsPerFetch = 1000

// copyFrom has a replica copy from the leader that it was assigned, from where its log ends.
func (c *Core) copyFrom(rep *replica) {
	key := fetcherKey{rep.Assigned().Leader, rep.Dir}
	if k := &rep.copying; k.from == nil || k.from.fetcherKey != key {
		c.stopCopying(rep)
		f := c.fetchers[key]
		if f == nil {
			f = &fetcher{fetcherKey: key}
			if c.fetchers == nil {
				c.fetchers = map[fetcherKey]*fetcher{}
			}
			c.fetchers[key] = f
		}
		k.from = f
		f.parts++
	}
	c.copyOn(rep)
}

// copyOn has the next fetch ask for what follows a replica's log. A damaged one asks for nothing: a fetch offset claims all that is below, and one that is late would count for the log that
// was emptied meanwhile.
func (c *Core) copyOn(rep *replica) {
	k := &rep.copying
	f := k.from
	c.recount(rep)
	if !k.changed && !rep.Cutting() && len(rep.lost) == 0 {
		k.changed = true
		f.changed = append(f.changed, rep.ID)
	}
	c.fetchSoon(f)
}

// recount counts a replica among those that owe, or not.
func (c *Core) recount(rep *replica) {
	k := &rep.copying
	if owes := !rep.Settled() && !rep.Cutting(); k.from == nil || owes == k.owes {
		return
	}
	if k.owes = !k.owes; k.owes {
		k.from.owing++
	} else {
		k.from.owing--
	}
}

// leaveSession takes a replica out of its fetcher's session: it has nothing to ask for now.
func (c *Core) leaveSession(rep *replica) {
	k := &rep.copying
	if k.told {
		k.told = false
		k.from.told--
		k.from.forgotten = append(k.from.forgotten, rep.ID)
	}
	if k.changed {
		k.changed = false
		k.from.changed = slices.DeleteFunc(k.from.changed, func(id stream.ID) bool { return id == rep.ID })
	}
}

// stopCopying ends the copying of a replica, if it does.
func (c *Core) stopCopying(rep *replica) {
	k := &rep.copying
	f := k.from
	if f == nil {
		return
	}
	c.leaveSession(rep)
	if k.owes {
		f.owing--
	}
	f.parts--
	rep.copying = copying{}
	c.fetchSoon(f)
}

// settled carries on when everything that a follower was given counts.
func (c *Core) settled(rep *replica) {
	if k := &rep.copying; k.owes && rep.Settled() {
		k.owes = false
		k.from.owing--
		c.fetchSoon(k.from)
	}
}

func (c *Core) fetchSoon(f *fetcher) {
	if !f.busy && !f.resting && f.owing == 0 && !slices.Contains(c.fetching, f) {
		c.fetching = append(c.fetching, f)
	}
}

// fetchSlice sends the fetches that are due, when nothing else is to be taken up first.
func (c *Core) fetchSlice() {
	if len(c.fetching) == 0 || len(c.takeUps) > 0 || c.halted || c.stop != serving {
		return
	}
	list := c.fetching
	c.fetching = nil
	for _, f := range list {
		if !f.busy && !f.resting && f.owing == 0 {
			c.fetch(f)
		}
	}
}

func (c *Core) fetch(f *fetcher) {
	if f.parts == 0 {
		delete(c.fetchers, f.fetcherKey) // its session ends by itself
		return
	}
	if f.told == 0 && len(f.changed) == 0 && len(f.forgotten) == 0 {
		return // all of them rest, or are cut: a fetch that names nothing is answered at once, and would be sent again at once
	}
	addr, ok := c.brokerAddress(f.leader)
	if !ok {
		c.restFetcher(f)
		return
	}
	req := c.fetchRequest(f)
	f.busy = true
	c.call(f.leader, addr, LaneFetch+Lane(f.dir), req, func(c *Core, resp kmsg.Response) { c.fetched(f, resp) })
}

// fetchRequest names what has changed since the last one.
func (c *Core) fetchRequest(f *fetcher) *kmsg.FetchRequest {
	cfg := &c.cfg.Replication
	req := kmsg.NewPtrFetchRequest()
	req.Version = 17
	req.ClusterID = &c.clusterID
	req.ReplicaState.ID, req.ReplicaState.Epoch = int32(c.self), c.brokerEpoch()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = cfg.WaitMs, cfg.MinBytes, cfg.ResponseMaxBytes
	req.SessionID, req.SessionEpoch = f.session, f.epoch
	n := min(len(f.changed), partitionsPerFetch)
	sortIDs(f.changed[:n])
	for _, id := range f.changed[:n] {
		rep := c.replicas[id]
		k := &rep.copying
		if !k.told {
			f.told++
		}
		k.changed, k.told, k.offset, k.generation = false, true, rep.Ends.Log, rep.Generation
		if last := len(req.Topics) - 1; last < 0 || req.Topics[last].TopicID != id.Topic {
			t := kmsg.NewFetchRequestTopic()
			t.TopicID = id.Topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = id.Partition, int32(rep.Assigned().LeaderEpoch), int64(k.offset)
		p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = int32(rep.Epochs.Latest()), int64(rep.Start), cfg.MaxBytes
		t := &req.Topics[len(req.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	if f.changed = f.changed[:copy(f.changed, f.changed[n:])]; len(f.changed) > 0 {
		req.MaxWaitMillis = 0
	}
	if f.epoch > 0 {
		req.ForgottenTopics = c.forget(f)
	}
	f.forgotten = f.forgotten[:0]
	return req
}

// forget names the partitions that leave the session, but for those that have come back.
func (c *Core) forget(f *fetcher) (topics []kmsg.FetchRequestForgottenTopic) {
	sortIDs(f.forgotten)
	for _, id := range slices.Compact(f.forgotten) {
		if rep, ok := c.replicas[id]; ok && rep.copying.from == f && rep.copying.told {
			continue
		}
		if last := len(topics) - 1; last < 0 || topics[last].TopicID != id.Topic {
			t := kmsg.NewFetchRequestForgottenTopic()
			t.TopicID = id.Topic
			topics = append(topics, t)
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, id.Partition)
	}
	return topics
}

// resetSession has the next fetch make a session of everything.
func (c *Core) resetSession(f *fetcher) {
	f.session, f.epoch, f.forgotten = 0, 0, f.forgotten[:0]
	for _, id := range c.dirs[f.dir].replicas {
		if rep := c.replicas[id]; rep.copying.from == f && rep.copying.told {
			rep.copying.told = false
			f.told--
			if !rep.copying.changed {
				rep.copying.changed = true
				f.changed = append(f.changed, id)
			}
		}
	}
}

// restFetcher has a fetcher try again after replica.fetch.backoff.ms.
func (c *Core) restFetcher(f *fetcher) {
	f.resting = true
	c.timeFetcher(f)
}

// restPartition has one partition try again after that time: the session goes on without it.
func (c *Core) restPartition(rep *replica) {
	f := rep.copying.from
	c.leaveSession(rep)
	f.idle = append(f.idle, rep.ID)
	c.timeFetcher(f)
}

func (c *Core) timeFetcher(f *fetcher) {
	if f.timed {
		return
	}
	f.timed = true
	id := c.newID()
	if c.resting == nil {
		c.resting = map[uint64]*fetcher{}
	}
	c.resting[id] = f
	c.after(timerKey{timerCopy, id}, c.cfg.Replication.BackoffMs)
}

// rested is the fetcher's timer.
func (c *Core) rested(id uint64) {
	f := c.resting[id]
	delete(c.resting, id)
	idle := f.idle
	f.resting, f.timed, f.idle = false, false, nil
	for _, id := range idle {
		if rep, ok := c.replicas[id]; ok && rep.copying.from == f {
			c.copyOn(rep)
		}
	}
	c.fetchSoon(f)
}

// brokerAddress is where a broker is reached by others.
func (c *Core) brokerAddress(id record.NodeID) (string, bool) {
	b, ok := c.meta.committed.Broker(id)
	if !ok {
		return "", false
	}
	for i := range b.Endpoints {
		if e := &b.Endpoints[i]; e.Name == c.cfg.InterBroker || len(b.Endpoints) == 1 {
			return config.Address(e.Host, int32(e.Port)), true
		}
	}
	return "", false
}

// brokerEpoch is this broker's, by the committed image; -1: it is not registered.
func (c *Core) brokerEpoch() int64 {
	if b, ok := c.meta.committed.Broker(c.self); ok && b.Incarnation == c.incarnation {
		return b.Epoch
	}
	return -1
}
