package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/query"
)

// forwarded is a client's request that the active controller decides, sent on to it as it is (Kafka's brokers wrap it for the sake of principals, which there
// are none of yet).
type forwarded struct {
	request *Request
	until   Instant // REQUEST_TIMED_OUT from then on
	body    kmsg.Request
	done    func(c *Core, resp kmsg.Response)
}

const (
	maxForwarded   = 1000 // at a time; a connection has one at a time
	retryForwardMs = 100
)

// mayForward reports whether a request came from a client of this broker.
func (c *Core) mayForward(r *Request) bool {
	if !c.cfg.Broker || r.Conn == LoopbackConn || slices.ContainsFunc(c.cfg.Controllers, func(l config.Listener) bool { return l.Name == r.Listener }) {
		return false
	}
	switch r.Body.(type) {
	case *kmsg.CreateTopicsRequest, *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest,
		*kmsg.ElectLeadersRequest, *kmsg.UnregisterBrokerRequest, *kmsg.DescribeQuorumRequest:
		return true
	}
	return false
}

// forward sends a request on, and the answer back.
func (c *Core) forward(r *Request) {
	c.send(r, r.Body, replyTimeout(r.Body), func(c *Core, resp kmsg.Response) {
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: resp})
	})
}

// send asks the active controller for something on behalf of a client's request, again and again until it is decided or the time is up. A controller that goes
// away while it decides may have done it: the next one may answer that it is done already, as Kafka's does.
func (c *Core) send(r *Request, body kmsg.Request, timeoutMs int32, done func(*Core, kmsg.Response)) {
	if len(c.forwards) >= maxForwarded {
		done(c, c.refusal(body, errcode.RequestTimedOut))
		return
	}
	id := c.newID()
	if c.forwards == nil {
		c.forwards = map[uint64]*forwarded{}
	}
	f := &forwarded{request: r, until: c.now.Mono + Instant(max(timeoutMs, 0))*1_000_000, body: body, done: done}
	c.forwards[id] = f
	c.sendAgain(id)
}

// sendAgain sends what was not decided yet.
func (c *Core) sendAgain(id uint64) {
	f, ok := c.forwards[id]
	if !ok {
		return
	}
	left := int64(f.until-c.now.Mono) / 1_000_000
	if left <= 0 {
		delete(c.forwards, id)
		f.done(c, c.refusal(f.body, errcode.RequestTimedOut))
		return
	}
	c.askControllerOn(LaneForward, int32(min(left, callTimeoutMs)), f.body, func(c *Core, resp kmsg.Response) {
		if resp == nil || notController(resp) {
			c.after(timerKey{timerForward, id}, min(retryForwardMs, left))
			return
		}
		delete(c.forwards, id)
		f.done(c, resp)
	})
}

// notController reports whether whoever was asked is not, or no longer, the active controller: then every part of the answer says so.
func notController(resp kmsg.Response) bool {
	code := int16(0)
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.DeleteTopicsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.CreatePartitionsResponse:
		if len(r.Topics) > 0 {
			code = r.Topics[0].ErrorCode
		}
	case *kmsg.AlterConfigsResponse:
		if len(r.Resources) > 0 {
			code = r.Resources[0].ErrorCode
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		if len(r.Resources) > 0 {
			code = r.Resources[0].ErrorCode
		}
	case *kmsg.ElectLeadersResponse:
		code = r.ErrorCode
	case *kmsg.UnregisterBrokerResponse:
		code = r.ErrorCode
	case *kmsg.DescribeQuorumResponse:
		return errcode.Code(r.ErrorCode) == errcode.NotLeaderOrFollower
	}
	return errcode.Code(code) == errcode.NotController
}

// onMetadata makes the topics that a Metadata request misses, then answers from the image in which they are committed.
func (c *Core) onMetadata(r *Request) {
	req := r.Body.(*kmsg.MetadataRequest)
	if c.ctl.active {
		records := c.controller().AutoCreate(c.working(), query.Missing(c.working(), req))
		c.commitThenReply(r, records, nil, autoCreateTimeoutMs)
		return
	}
	missing := query.Missing(c.meta.committed, req)
	if len(missing) == 0 || !c.cfg.Broker {
		c.park(c.meta.quorum.HighWatermark(), r, nil, 0)
		return
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.TimeoutMillis = 7, autoCreateTimeoutMs
	for _, name := range missing {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
		create.Topics = append(create.Topics, t)
	}
	c.send(r, create, autoCreateTimeoutMs, func(c *Core, _ kmsg.Response) {
		// Made or refused: what this node does not see yet the client asks for again.
		c.after(timerKey{timerAutoCreated, c.awaitTopics(r, missing)}, seenMs)
		c.answerAutoCreated()
	})
}

// autoCreateTimeoutMs bounds the wait of a Metadata request for the topics it makes.
const autoCreateTimeoutMs = 30000

// seenMs bounds how long a Metadata request waits for topics that are made to be seen at this node.
const seenMs = 500

// awaited is a Metadata request whose topics the controller has made.
type awaited struct {
	id      uint64
	request *Request
	topics  []string
}

func (c *Core) awaitTopics(r *Request, topics []string) uint64 {
	id := c.newID()
	c.awaits = append(c.awaits, awaited{id, r, topics})
	return id
}

// answerAutoCreated answers those whose topics the committed image shows by now.
func (c *Core) answerAutoCreated() {
	for i := 0; i < len(c.awaits); {
		w := c.awaits[i]
		if slices.ContainsFunc(w.topics, func(name string) bool { _, ok := c.meta.committed.Topic(name); return !ok }) {
			i++
			continue
		}
		c.timers.Cancel(timerKey{timerAutoCreated, w.id})
		c.autoCreatedDue(w.id)
	}
}

// autoCreatedDue answers one from what the committed image shows.
func (c *Core) autoCreatedDue(id uint64) {
	i := slices.IndexFunc(c.awaits, func(w awaited) bool { return w.id == id })
	if i < 0 {
		return
	}
	r := c.awaits[i].request
	c.awaits = slices.Delete(c.awaits, i, i+1)
	c.park(c.meta.quorum.HighWatermark(), r, nil, 0)
}
