package proto

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// Session reads partitions of one topic together, in one fetch session (KIP-227): a request names only what has changed, and an answer only what has news.
type Session struct {
	cfg   ReaderConfig
	id    int32
	epoch int32           // of the next request; 0: it is a full one
	told  []record.Offset // by partition: the position as the session has it; NoOffset: not in the session
	errs  []bool          // by partition: its last news was an error
	asked bool
	since int64
}

// NewSession returns a session for so many partitions. Partition and From of cfg do not count.
func NewSession(cfg ReaderConfig, partitions int) *Session {
	return &Session{cfg: cfg, told: make([]record.Offset, partitions), errs: make([]bool, partitions)}
}

// Knows reports whether a partition is in the session and its last news was no error: then the broker owes news of whatever changes.
func (s *Session) Knows(partition int) bool {
	return s.epoch != 0 && s.told[partition] != record.NoOffset && !s.errs[partition]
}

// Lost tells that the connection is gone. Whether the broker took the last request nobody knows: the next one ends the session and makes another.
func (s *Session) Lost() { s.asked, s.epoch = false, 0 }

// Deadline returns when Poll may have something that it has not now.
func (s *Session) Deadline(now int64) (int64, bool) { return s.since, !s.asked && s.since > now }

// Poll returns the next request to send, nil if there is none now. readers are by partition; nil ones are not read, or no longer.
func (s *Session) Poll(now int64, readers []*Reader) kmsg.Request {
	if s.asked || now < s.since {
		return nil
	}
	s.asked = true
	req := newFetch(&s.cfg)
	req.SessionID, req.SessionEpoch = s.id, s.epoch
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = s.cfg.Topic, s.cfg.TopicID
	f := kmsg.NewFetchRequestForgottenTopic()
	f.Topic, f.TopicID = s.cfg.Topic, s.cfg.TopicID
	for i, r := range readers {
		switch {
		case r != nil && (s.epoch == 0 || s.told[i] != r.next):
			t.Partitions = append(t.Partitions, r.asks())
			s.told[i] = r.next
		case r == nil && s.epoch != 0 && s.told[i] != record.NoOffset:
			f.Partitions = append(f.Partitions, int32(i))
			fallthrough
		case r == nil:
			s.told[i] = record.NoOffset
		}
	}
	if len(t.Partitions) > 0 {
		req.Topics = append(req.Topics, t)
	}
	if len(f.Partitions) > 0 {
		req.ForgottenTopics = append(req.ForgottenTopics, f)
	}
	return req
}

// Answered brings the answer and hands over what each partition that it names was given, or why nothing. Of other partitions there is no news.
func (s *Session) Answered(now int64, response kmsg.Response, readers []*Reader, each func(partition int32, received []Received, err error)) {
	s.asked = false
	fetched := response.(*kmsg.FetchResponse)
	switch code := errcode.Code(fetched.ErrorCode); {
	case code != errcode.None:
		s.id, s.epoch = 0, 0
		if code != errcode.FetchSessionIDNotFound && code != errcode.InvalidFetchSessionEpoch {
			s.since = now + retryBackoff
		}
		return
	case fetched.SessionID == 0: // none was made, or it ended since it had no partition left
		s.id, s.epoch = 0, 0
	default:
		s.id, s.epoch = fetched.SessionID, max(1, s.epoch+1) // after the largest comes 1
	}
	for i := range fetched.Topics {
		for j := range fetched.Topics[i].Partitions {
			p := &fetched.Topics[i].Partitions[j]
			received, err := readers[p.Partition].answered(now, p)
			if s.errs[p.Partition] = p.ErrorCode != 0; s.errs[p.Partition] {
				s.since = now + retryBackoff
			}
			if p.ErrorCode == 0 || err != nil {
				each(p.Partition, received, err)
			}
		}
	}
}
