package main

import "github.com/twmb/franz-go/pkg/kmsg"

// session is a fetch session as a client keeps it.
type session struct {
	id      int32
	epoch   int32
	version int16
	parts   map[string]*fetched // by topic id and partition
	order   []string
}

type fetched struct {
	topic  *topic
	number int32
	part   *partition
	offset int64
}

// newFetch makes a Fetch without partitions. Waiting is short: nothing is produced meanwhile.
func (g *generator) newFetch() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	g.version(req)
	req.ReplicaID = -1
	req.ReplicaState.ID = -1
	req.ReplicaState.Epoch = -1
	req.MaxWaitMillis = pick(g, int32(0), 1, 10)
	req.MinBytes = pick(g, int32(0), 1, 1, 1, 100, 10_000)
	req.MaxBytes = pick(g, int32(1<<20), 1<<20, 1<<20, 500, 0, 1, 3000)
	req.IsolationLevel = int8(g.IntN(2))
	req.SessionEpoch = -1
	return req
}

func (g *generator) fetchPart(req *kmsg.FetchRequest, t *topic, number int32, p *partition, offset int64) {
	out := kmsg.NewFetchRequestTopicPartition()
	out.Partition, out.FetchOffset = number, offset
	out.PartitionMaxBytes = pick(g, int32(1<<20), 1<<20, 1<<20, 300, 1000, 1, 0)
	if g.chance(6) {
		out.CurrentLeaderEpoch = pick(g, int32(0), 0, 1, 5, -2)
	}
	if g.chance(8) {
		out.LastFetchedEpoch = pick(g, int32(0), 0, 1, -2)
	}
	for i := range req.Topics {
		if req.Topics[i].Topic == t.name && req.Topics[i].TopicID == t.id() {
			req.Topics[i].Partitions = append(req.Topics[i].Partitions, out)
			return
		}
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = t.name, t.id(), []kmsg.FetchRequestTopicPartition{out}
	req.Topics = append(req.Topics, topic)
}

// fetch is a full fetch outside of any session.
func (g *generator) fetch() *op {
	req := g.newFetch()
	for _, t := range distinct(1+g.IntN(3), g.topicMaybe) {
		numbers, parts := g.someParts(t, 1+g.IntN(3))
		for i := range numbers {
			g.fetchPart(req, t, numbers[i], parts[i], g.offset(parts[i]))
		}
	}
	if g.chance(20) {
		req.SessionID, req.SessionEpoch = pick(g, int32(12345), 0, -1), pick(g, int32(1), 7, -1, -2)
	}
	return &op{req: req}
}

// fetchSession makes a session, goes on in one, or does what a client must not.
func (g *generator) fetchSession() *op {
	if len(g.sessions) == 0 || g.chance(6) {
		return g.fullFetch()
	}
	s := g.sessions[g.IntN(len(g.sessions))]
	req := g.newFetch()
	req.Version, req.SessionID, req.SessionEpoch = s.version, s.id, s.epoch
	switch g.IntN(16) {
	case 0:
		req.SessionEpoch += pick(g, int32(1), -1, 5)
	case 1:
		req.SessionID++
	case 2: // closed, and perhaps a new one
		req.SessionEpoch = pick(g, int32(-1), 0)
	case 3: // by name instead of by id, or the other way round
		req.Version = pick(g, int16(7), 12, 13, 17)
	}
	for _, k := range s.order {
		f := s.parts[k]
		if g.chance(3) {
			f.offset = g.offset(f.part)
			g.fetchPart(req, f.topic, f.number, f.part, f.offset)
		} else if g.chance(10) {
			forgotten := kmsg.NewFetchRequestForgottenTopic()
			forgotten.Topic, forgotten.TopicID, forgotten.Partitions = f.topic.name, f.topic.id(), []int32{f.number}
			req.ForgottenTopics = append(req.ForgottenTopics, forgotten)
		}
	}
	if g.chance(5) {
		t := g.topic()
		number, p := g.part(t)
		if f := (&fetched{t, number, p, g.offset(p)}); s.parts[f.key()] == nil {
			s.parts[f.key()], s.order = f, append(s.order, f.key())
			g.fetchPart(req, t, number, p, f.offset)
		}
	}
	return &op{req: req, then: func(resp kmsg.Response) {
		r := resp.(*kmsg.FetchResponse)
		if r.ErrorCode == 0 && r.SessionID == s.id && req.SessionEpoch == s.epoch && req.SessionID == s.id {
			s.epoch++
		} else if req.SessionEpoch <= 0 {
			g.drop(s)
			g.keep(r, req.Version, s.parts, s.order)
		}
	}}
}

func (f *fetched) key() string {
	return string(append([]byte(f.topic.name), byte(f.topic.life), byte(f.number)))
}

func (g *generator) fullFetch() *op {
	req := g.newFetch()
	req.Version = max(req.Version, 7)
	req.SessionEpoch = 0
	parts, order := map[string]*fetched{}, []string(nil)
	for _, t := range distinct(1+g.IntN(3), g.topicMaybe) {
		numbers, ps := g.someParts(t, 1+g.IntN(3))
		for i := range numbers {
			f := &fetched{t, numbers[i], ps[i], g.offset(ps[i])}
			parts[f.key()], order = f, append(order, f.key())
			g.fetchPart(req, t, f.number, f.part, f.offset)
		}
	}
	return &op{req: req, then: func(resp kmsg.Response) { g.keep(resp.(*kmsg.FetchResponse), req.Version, parts, order) }}
}

func (g *generator) keep(r *kmsg.FetchResponse, version int16, parts map[string]*fetched, order []string) {
	if r.ErrorCode != 0 || r.SessionID == 0 {
		return
	}
	g.sessions = append(g.sessions, &session{r.SessionID, 1, version, parts, order})
	if len(g.sessions) > 6 {
		g.sessions = g.sessions[1:]
	}
}

func (g *generator) drop(s *session) {
	for i := range g.sessions {
		if g.sessions[i] == s {
			g.sessions = append(g.sessions[:i], g.sessions[i+1:]...)
			return
		}
	}
}
