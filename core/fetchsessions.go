package core

import (
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/fetch"
)

// Fetch sessions (KIP-227). An incremental fetch is a fetch of those partitions of its session that may have something to tell; of its answer, what the client
// knows already is left out.

// sessionMs is the time by which sessions age.
func (c *Core) sessionMs() int64 { return int64(c.now.Mono / 1_000_000) }

// askedBy finds out what a fetch asks for, or the code with which it is refused.
func (c *Core) askedBy(r *Request) (fetching, errcode.Code) {
	a := fetching{conn: r.Conn, correlation: r.Correlation, at: r.Reached(), FetchRequest: r.Fetch}
	if e := r.Fetch.SessionEpoch; e == api.FinalSessionEpoch || e == api.InitialSessionEpoch {
		if s, ok := c.audience(r.Fetch).sessions.Get(r.Fetch.SessionID); ok { // a full fetch ends the session that it names
			c.endSession(r.Fetch, s)
		}
		return a, errcode.None
	}
	sessions := &c.audience(r.Fetch).sessions
	s, code := sessions.Use(r.Fetch, c.sessionMs())
	switch {
	case code != errcode.None:
		return a, code
	case sessions.Full():
		c.endSession(r.Fetch, s)
		return a, errcode.FetchSessionIDNotFound // the client asks in full, and gets no session
	case s.Len() == 0:
		c.endSession(r.Fetch, s) // answered as a fetch without session
		return a, errcode.None
	}
	if w := s.Waiter(); w != nil { // of another connection: the session has just gone on without it
		c.wake(w)
	}
	a.session, a.epoch = s, s.Epoch
	c.takeQueue(&a)
	return a, errcode.None
}

// endSession removes a session. Its parked fetch is told so.
func (c *Core) endSession(by *api.FetchRequest, s *fetch.Session) {
	c.audience(by).sessions.Remove(s)
	if w := s.Waiter(); w != nil {
		c.wake(w)
	}
}

// takeQueue makes the request one of the partitions in the session's queue, and has each of them stand at its stream: before the fetch can be parked, and when
// the name means another topic by now.
func (c *Core) takeQueue(a *fetching) {
	a.parts = a.session.Queue()
	req := *a.FetchRequest
	req.Partitions = make([]api.FetchPartition, len(a.parts))
	a.FetchRequest = &req
	for i, part := range a.parts {
		req.Partitions[i] = part.Asked
		if rep, code := c.fetchedReplica(&req, &req.Partitions[i]); code == errcode.None {
			c.audience(&req).sessions.Register(part, rep.ID)
		}
	}
}

// overtaken reports whether the session has ended or gone on while the fetch waited: what was to be told belongs to another queue by now.
func (a *fetching) overtaken() bool {
	return a.session != nil && (a.session.Gone() || a.session.Epoch != a.epoch)
}

// finishFetch replies, with what a session makes of the response.
func (c *Core) finishFetch(a *fetching, response *api.FetchResponse) {
	switch {
	case a.session != nil:
		c.answerSession(a, response)
	case a.SessionEpoch == api.InitialSessionEpoch:
		c.makeSession(a.FetchRequest, response)
	}
	c.hintFetch(a.at, response)
	c.reply(Reply{Conn: a.conn, Correlation: a.correlation, Key: api.Fetch, Fetch: response})
}

// makeSession makes a session of a full fetch, if there is room for it.
func (c *Core) makeSession(req *api.FetchRequest, response *api.FetchResponse) {
	now := c.sessionMs()
	sessions := &c.audience(req).sessions
	evicted, ok := sessions.Make(len(req.Partitions), req.ReplicaID >= 0, now)
	if !ok {
		return
	}
	if evicted != nil {
		c.endSession(req, evicted)
	}
	response.SessionID = sessions.Add(req, response.Partitions, now, c.random.N).ID
}

// answerSession leaves in the response what the client does not know.
func (c *Core) answerSession(a *fetching, response *api.FetchResponse) {
	switch {
	case a.session.Gone():
		*response = api.FetchResponse{Err: errcode.FetchSessionIDNotFound, ByID: a.ByID}
		return
	case a.overtaken():
		*response = api.FetchResponse{Err: errcode.InvalidFetchSessionEpoch, SessionID: a.session.ID, ByID: a.ByID}
		return
	}
	response.SessionID = a.session.ID
	told := response.Partitions[:0]
	for i, part := range a.parts {
		result := response.Partitions[i]
		rep, code := c.fetchable(a.FetchRequest, &a.Partitions[i])
		quiet := result.Err == errcode.None && code == errcode.None && a.Partitions[i].Offset >= readEnd(a.FetchRequest, rep)
		if part.Answer(&result, quiet) {
			told = append(told, result)
		}
	}
	response.Partitions = told
}
