package core

import (
	"slices"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/fetch"
	"odradek/core/record"
	"odradek/core/stream"
)

// pendingRead is a Fetch or ListOffsets whose answer a Locate job brings.
type pendingRead struct {
	conn        ConnID
	correlation int32
	fetch       *fetching
	list        *listOffsets
	metadata    *metadataFetch      // of the metadata log
	result      *api.FetchResult    // of metadata, but for its records
	places      []int               // of the job's partitions in the request
	generations []stream.Generation // of the job's streams when it was asked
}

// fetching is a fetch under way.
type fetching struct {
	conn        ConnID
	correlation int32
	at          api.Reached
	*api.FetchRequest
	session *fetch.Session // of an incremental fetch. The request's partitions are then those of the session that may have something to tell
	epoch   int32          // of session: with another one, the session has gone on without this fetch
	parts   []*fetch.Part  // of session, by partition of the request
}

// onFetch answers at once, parks, or asks the disk where the bytes lie.
func (c *Core) onFetch(r *Request) {
	if isMetadataFetch(r.Fetch) {
		c.onMetadataFetch(r)
		return
	}
	a, code := c.askedBy(r)
	if code != errcode.None {
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: api.Fetch, Fetch: &api.FetchResponse{Err: code}})
		return
	}
	if r.Fetch.ReplicaID >= 0 {
		c.heard(r.Fetch)
	}
	view := c.viewFetch(a.FetchRequest)
	if !view.now && view.bytes < int64(a.MinBytes) && a.MaxWaitMs > 0 && (len(a.Partitions) > 0 || a.session != nil) {
		c.parkFetch(r, &a, view.bytes)
		return
	}
	c.answerFetch(&a, view.located)
}

// fetchView is what a look at all partitions of a fetch tells.
type fetchView struct {
	now     bool  // something must be answered at once: an error, or bytes older than the tail rings
	located bool  // some bytes lie below their tail ring
	bytes   int64 // readable bytes at the tails
}

func (c *Core) viewFetch(req *api.FetchRequest) fetchView {
	var v fetchView
	for i := range req.Partitions {
		p := &req.Partitions[i]
		rep, code := c.fetchable(req, p)
		switch {
		case code != errcode.None || diverges(req, rep, p):
			v.now = true
		case p.Offset >= readEnd(req, rep):
		case rep.Ring.Covers(p.Offset):
			v.bytes += rep.Ring.Bytes(p.Offset, readEnd(req, rep))
		default:
			v.now, v.located = true, true
		}
	}
	return v
}

// fetchable finds the replica that a consumer may read at its offset, or the code with which it is refused.
func (c *Core) fetchable(req *api.FetchRequest, p *api.FetchPartition) (*replica, errcode.Code) {
	rep, code := c.fetchedReplica(req, p)
	if code != errcode.None {
		return nil, code
	}
	switch epoch := rep.Assigned().LeaderEpoch; {
	case rep.Failed() != errcode.None:
		return rep, rep.Failed()
	case !rep.Leading():
		return rep, errcode.NotLeaderOrFollower
	case p.CurrentEpoch >= 0 && p.CurrentEpoch < epoch: // unlike other requests, Fetch takes any below 0 for none
		return rep, errcode.FencedLeaderEpoch
	case p.CurrentEpoch > epoch:
		return rep, errcode.UnknownLeaderEpoch
	case p.LastFetchedEpoch >= 0 && p.LastFetchedEpoch > rep.Epochs.Latest(): // also of a log without epochs: nobody can have fetched from it
		return rep, errcode.OffsetOutOfRange
	case p.Offset < rep.Start || p.Offset > rep.Ends.Log && !diverges(req, rep, p):
		return rep, errcode.OffsetOutOfRange
	case rep.isLost(p.Offset):
		return rep, errcode.CorruptMessage
	}
	return rep, errcode.None
}

func (c *Core) fetchedReplica(req *api.FetchRequest, p *api.FetchPartition) (*replica, errcode.Code) {
	if !req.ByID {
		return c.replicaFor(p.Topic, record.UUID{}, p.Partition)
	}
	t, ok := c.meta.committed.TopicByID(p.TopicID)
	if !ok {
		return nil, errcode.UnknownTopicID
	}
	p.Topic = t.Name
	return c.replicaFor(t.Name, p.TopicID, p.Partition)
}

// parkFetch has a fetch wait. One of a session waits with the session, which stands at its streams already.
func (c *Core) parkFetch(r *Request, a *fetching, have int64) {
	w := &fetch.Waiter{ID: c.newID(), Conn: uint64(r.Conn), Correlation: r.Correlation, At: r.Reached(), Request: r.Fetch, Session: a.session, Epoch: a.epoch, Have: have,
		Want: int64(a.MinBytes)}
	if a.session == nil {
		w.Streams = make([]stream.ID, 0, len(a.Partitions))
		for i := range a.Partitions {
			if rep, code := c.fetchedReplica(a.FetchRequest, &a.Partitions[i]); code == errcode.None {
				w.Streams = append(w.Streams, rep.ID)
			}
		}
	}
	c.audience(r.Fetch).waiters.Park(w)
	c.after(timerKey{timerFetch, w.ID}, c.fetchWait(r.Fetch))
}

// readable tells the waiters and sessions of a partition how far it can be read now.
func (c *Core) readable(rep *replica) {
	from, mark := rep.readEnd, rep.heardMark
	rep.readEnd, rep.heardMark = rep.ReadEnd(), rep.HighWatermark()
	var ready []*fetch.Waiter
	switch {
	case rep.Failed() != errcode.None || !rep.Leading() || (rep.readEnd > from && !rep.Ring.Covers(from)):
		ready = c.consumers.all(rep.ID, ready)
	case rep.readEnd > from:
		ready = c.consumers.moved(rep.ID, rep.Ring.Bytes(from, rep.readEnd), ready)
	case rep.heardMark > mark:
		c.consumers.sessions.Mark(rep.ID)
	}
	ready = c.copyable(rep, rep.heardMark > mark, ready)
	for _, w := range ready {
		c.wake(w)
	}
}

// wake ends the wait of a fetch with whatever there is.
func (c *Core) wake(w *fetch.Waiter) {
	waiters := &c.audience(w.Request).waiters
	if _, parked := waiters.Get(w.ID); !parked {
		return
	}
	waiters.Remove(w)
	c.timers.Cancel(timerKey{timerFetch, w.ID})
	a := fetching{conn: ConnID(w.Conn), correlation: w.Correlation, at: w.At, FetchRequest: w.Request, session: w.Session, epoch: w.Epoch}
	switch {
	case a.overtaken():
		c.finishFetch(&a, &api.FetchResponse{})
		return
	case a.session != nil:
		c.takeQueue(&a)
	}
	c.answerFetch(&a, c.viewFetch(a.FetchRequest).located)
}

// answerFetch replies from the tail rings, or starts one Locate for all partitions if some bytes lie below them.
func (c *Core) answerFetch(a *fetching, locate bool) {
	if locate {
		c.locateFetch(a)
		return
	}
	req := a.FetchRequest
	response := c.newFetchResponse(req)
	budget, whole := c.fetchBudget(req), true
	for i := range req.Partitions {
		p, result := &req.Partitions[i], &response.Partitions[i]
		rep, code := c.fetchable(req, p)
		fillFetch(result, req, rep, p, code)
		if code != errcode.None || diverges(req, rep, p) || p.Offset >= readEnd(req, rep) || budget <= 0 && !whole {
			continue
		}
		var n int64
		result.Extents, n = rep.Ring.Extents(nil, rep.ID, p.Offset, readEnd(req, rep), min(budget, int64(p.MaxBytes)), whole)
		budget -= n
		whole = whole && n == 0
	}
	c.finishFetch(a, response)
}

// fetchBudget is the most record bytes of one reply.
func (c *Core) fetchBudget(req *api.FetchRequest) int64 {
	if req.ReplicaID >= 0 {
		return int64(req.MaxBytes)
	}
	return int64(min(req.MaxBytes, c.cfg.FetchMaxBytes))
}

// newFetchResponse makes a response with room for each partition; for one, in one allocation.
func (c *Core) newFetchResponse(req *api.FetchRequest) *api.FetchResponse {
	if len(req.Partitions) != 1 {
		return &api.FetchResponse{ByID: req.ByID, Partitions: make([]api.FetchResult, len(req.Partitions)), Isolation: req.Isolation, Follower: req.ReplicaID >= 0}
	}
	one := &struct {
		response api.FetchResponse
		results  [1]api.FetchResult
	}{}
	one.response.ByID, one.response.Partitions, one.response.Isolation, one.response.Follower = req.ByID, one.results[:], req.Isolation, req.ReplicaID >= 0
	return &one.response
}

// fillFetch sets everything of a result but its extents.
func fillFetch(result *api.FetchResult, req *api.FetchRequest, rep *replica, p *api.FetchPartition, code errcode.Code) {
	*result = api.FetchResult{Topic: p.Topic, TopicID: p.TopicID, Partition: p.Partition, Err: code,
		HighWatermark: record.NoOffset, LastStable: record.NoOffset, LogStart: record.NoOffset, CurrentLeader: record.NoNode, CurrentEpoch: record.NoEpoch}
	switch {
	case rep == nil:
	case code == errcode.None:
		result.HighWatermark, result.LastStable, result.LogStart = rep.HighWatermark(), rep.HighWatermark(), rep.Start
		if epoch, end, part := parting(req, rep, p); part {
			result.Diverges, result.DivergingEpoch, result.DivergingEnd = true, epoch, end
		}
	case code == errcode.OffsetOutOfRange && p.LogStart >= 0: // a replica, which may have to begin there; consumers are told nothing, as by Kafka
		result.LogStart = rep.Start
	}
}

// parting returns where the epoch that a client fetched last ends in this log, and whether what it fetched is not in the log: the epoch ends below the offset asked for,
// or never was (KIP-595). It is answered where the logs part instead of records.
func parting(req *api.FetchRequest, rep *replica, p *api.FetchPartition) (epoch record.Epoch, end record.Offset, part bool) {
	if p.LastFetchedEpoch < 0 || p.LastFetchedEpoch > rep.Epochs.Latest() {
		return record.NoEpoch, record.NoOffset, false
	}
	epoch, end = rep.epochEnd(p.LastFetchedEpoch)
	if req.ReplicaID >= 0 && end == rep.Start && p.LogStart < rep.Start && rep.Epochs.At(end-1) == record.NoEpoch && !slices.Contains(rep.Assigned().ISR, req.ReplicaID) {
		end-- // Nothing tells that the logs agree below the start. Who is in sync has what is committed; others begin anew.
	}
	return epoch, end, epoch < p.LastFetchedEpoch || end < p.Offset
}

func diverges(req *api.FetchRequest, rep *replica, p *api.FetchPartition) bool {
	_, _, part := parting(req, rep, p)
	return part
}

func (c *Core) locateFetch(a *fetching) {
	req, kept := a.FetchRequest, *a
	read := &pendingRead{fetch: &kept}
	job := Job{Kind: JobLocate, ID: JobID(c.newID()), Budget: c.fetchBudget(req)}
	for i := range req.Partitions {
		p := &req.Partitions[i]
		rep, code := c.fetchable(req, p)
		if code != errcode.None || diverges(req, rep, p) || p.Offset >= readEnd(req, rep) {
			continue
		}
		read.places = append(read.places, i)
		read.generations = append(read.generations, rep.Generation)
		job.Locate = append(job.Locate, LocatePartition{Stream: rep.ID, From: p.Offset, Limit: rep.whole(p.Offset, readEnd(req, rep)), MaxBytes: p.MaxBytes})
	}
	c.reads[job.ID] = read
	c.fx.Jobs = append(c.fx.Jobs, job)
}

// onLocated answers a read whose bytes the disk has found. What the core knew when it asked may have changed: each partition is looked at anew.
func (c *Core) onLocated(id JobID, located *Located) {
	read, ok := c.reads[id]
	if !ok {
		return
	}
	delete(c.reads, id)
	if read.metadata != nil {
		c.metadataLocated(read, located)
		return
	}
	if read.list != nil {
		c.finishListOffsets(read, located)
		return
	}
	req := read.fetch.FetchRequest
	response := c.newFetchResponse(req)
	for i := range req.Partitions {
		rep, code := c.fetchable(req, &req.Partitions[i])
		fillFetch(&response.Partitions[i], req, rep, &req.Partitions[i], code)
	}
	for j, place := range read.places {
		result, found := &response.Partitions[place], &located.Partitions[j]
		rep, code := c.fetchable(req, &req.Partitions[place])
		if code != errcode.None || rep.Generation != read.generations[j] {
			continue // what was located may be cut: answered without records, the client asks again
		}
		if found.Err != errcode.None {
			result.Err = found.Err
			continue
		}
		result.Extents = found.Extents
	}
	c.finishFetch(read.fetch, response)
}
