package core

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// controlling is what only the active controller has. That is the quorum's leader from the commit of its LeaderChange on: before it cannot know what is
// committed, and nothing that it appends is.
type controlling struct {
	active   bool
	sessions controller.Sessions
	due      int64 // when the next session is over, as the timer is set
}

// controller is what decisions are made from.
func (c *Core) controller() *controller.State {
	return &controller.State{Self: c.self, Incarnation: c.incarnation, ClusterID: c.clusterID, Config: c.cfg.At(c.meta.committed), NewID: c.newUUID, Random: &c.random,
		Sessions: &c.ctl.sessions, Now: int64(c.now.Mono), Next: c.meta.quorum.Ends.Log}
}

// maybeControl begins to control once this node's leadership is committed, with what a new leader owes the log: the end of an open transaction, the bootstrap
// of an empty log, leaders for partitions that the last controller did not come to.
func (c *Core) maybeControl() {
	m := &c.meta
	if c.ctl.active || c.stop != serving || m.quorum == nil || !m.quorum.Ready() || m.lead || m.applied < len(m.tail) {
		return
	}
	c.ctl.active = true
	if m.replayer.Open() {
		c.appendMetadata([]image.Record{controller.Abort()})
	}
	if c.working().Feature(image.MetadataVersion) == 0 {
		c.appendMetadata(controller.Bootstrap(m.bootstrap, c.cfg.Topic.MinInsync))
	}
	c.ctl.sessions.Begin(c.working(), int64(c.now.Mono))
	c.appendChanges(c.controller().Elect(c.working()))
	c.armSessions()
	c.armRebalance()
	c.live() // to itself, if this node is a broker
}

// controlEnded forgets what only the active controller knows.
func (c *Core) controlEnded() {
	c.ctl = controlling{}
	c.timers.Cancel(timerKey{timerSessions, 0})
	c.timers.Cancel(timerKey{timerRebalance, 0})
	clear(c.placed) // whether these partitions will be made is not known any more
	for i := range c.dirs {
		c.dirs[i].coming = 0
	}
}

// appendChanges appends what follows from a broker's coming or going, and names the partitions whose new leader may lack records.
func (c *Core) appendChanges(records []image.Record) record.Offset {
	end := c.appendAll(records)
	c.tellUnclean(records)
	return end
}

// onControl takes a request that the active controller decides. A broker sends on what a client asks of it; what was sent on already, or comes to a
// controller's listener, is not sent on again.
func (c *Core) onControl(r *Request) {
	var put func(kmsg.Response)
	if c.fromClient(r) {
		body, p := c.controller().Foreign(r.Body)
		if body == nil {
			response := r.Body.ResponseKind()
			p(response)
			c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
			return
		}
		mine := *r
		mine.Body, put, r = body, p, &mine
	}
	switch {
	case c.ctl.active:
		records, response := c.decide(c.working(), r.Body)
		if put != nil {
			put(response)
		}
		c.commitThenReply(r, records, response, replyTimeout(r.Body))
		if r.Key == api.BrokerHeartbeat || r.Key == api.BrokerRegistration || r.Key == api.UnregisterBroker {
			c.armSessions()
		}
	case c.mayForward(r):
		c.forward(r, put)
	default:
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: c.refusal(r.Body, errcode.NotController)})
	}
}

// decide makes of a request the records that carry it out and the reply that holds once they are committed.
func (c *Core) decide(img *image.Image, body kmsg.Request) (records []image.Record, response kmsg.Response) {
	s := c.controller()
	switch req := body.(type) {
	case *kmsg.CreateTopicsRequest:
		records, response = s.CreateTopics(img, req)
	case *kmsg.DeleteTopicsRequest:
		records, response = s.DeleteTopics(img, req)
	case *kmsg.CreatePartitionsRequest:
		records, response = s.CreatePartitions(img, req)
	case *kmsg.AlterConfigsRequest:
		records, response = s.AlterConfigs(img, req)
	case *kmsg.IncrementalAlterConfigsRequest:
		records, response = s.IncrementalAlterConfigs(img, req)
	case *kmsg.ElectLeadersRequest:
		records, response = s.ElectLeaders(img, req)
	case *kmsg.UnregisterBrokerRequest:
		records, response = s.UnregisterBroker(img, req)
	case *kmsg.BrokerRegistrationRequest:
		records, response = s.RegisterBroker(img, req)
	case *kmsg.BrokerHeartbeatRequest:
		records, response = s.Heartbeat(img, req)
	case *kmsg.ControllerRegistrationRequest:
		records, response = s.RegisterController(img, req)
	case *kmsg.AlterPartitionRequest:
		records, response = s.AlterPartition(img, req)
	case *kmsg.AllocateProducerIDsRequest:
		records, response = s.AllocateProducerIDs(img, req)
	case *kmsg.AssignReplicasToDirsRequest:
		records, response = s.AssignReplicasToDirs(img, req)
	}
	return records, response
}

// refusal answers a request that this node cannot decide: each part of the reply says why.
func (c *Core) refusal(body kmsg.Request, code errcode.Code) kmsg.Response {
	response := body.ResponseKind()
	switch req := body.(type) {
	case *kmsg.CreateTopicsRequest:
		for i := range req.Topics {
			out := kmsg.NewCreateTopicsResponseTopic()
			out.Topic = req.Topics[i].Topic
			all := response.(*kmsg.CreateTopicsResponse)
			all.Topics = append(all.Topics, out)
		}
	case *kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest, *kmsg.ElectLeadersRequest:
		_, response = c.decide(c.meta.committed, body)
	}
	failAll(response, code)
	return response
}

// replyTimeout is how long a reply may wait for its commit: what the request says, or what Kafka's controller takes.
func replyTimeout(body kmsg.Request) int32 {
	switch req := body.(type) {
	case *kmsg.CreateTopicsRequest:
		return req.TimeoutMillis
	case *kmsg.DeleteTopicsRequest:
		return req.TimeoutMillis
	case *kmsg.CreatePartitionsRequest:
		return req.TimeoutMillis
	case *kmsg.ElectLeadersRequest:
		return req.TimeoutMillis
	case *kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest, *kmsg.UnregisterBrokerRequest:
		return alterTimeoutMs
	}
	return callTimeoutMs
}

// commitThenReply appends records, if any, and parks the reply until the last record written is committed: also a reply that changed nothing, since it may
// tell of uncommitted records.
func (c *Core) commitThenReply(r *Request, records []image.Record, response kmsg.Response, timeoutMs int32) {
	at := c.workingEnd()
	if len(records) > 0 {
		c.place(records)
		at = c.appendChanges(records)
	}
	c.park(at, r, response, max(timeoutMs, 0))
}

// armSessions sets the timer to the end of the next session.
func (c *Core) armSessions() {
	key := timerKey{timerSessions, 0}
	if c.ctl.due = c.controller().SessionEnds(c.working()); c.ctl.due == math.MaxInt64 {
		c.timers.Cancel(key)
		return
	}
	c.timers.Set(key, c.ctl.due)
}

// sessionsDue fences whoever is silent for too long. Where the timer itself comes late this node was away, and heartbeats wait to be taken: silence says nothing.
func (c *Core) sessionsDue() {
	if !c.ctl.active {
		return
	}
	now := int64(c.now.Mono)
	if now-c.ctl.due > c.cfg.Replication.SessionMs*1_000_000/2 {
		c.ctl.sessions.Renew(now)
	}
	for {
		s := c.controller()
		b, ok := s.Silent(c.working())
		if !ok {
			break
		}
		c.note(NoteFenced, number("broker", b.ID), number("silent-ms", c.cfg.Replication.SessionMs))
		c.appendChanges(s.Fence(c.working(), b))
	}
	c.armSessions()
}

func (c *Core) armRebalance() {
	if c.cfg.Replication.Rebalance {
		c.after(timerKey{timerRebalance, 0}, c.cfg.Replication.RebalanceSeconds*1000)
	}
}

// rebalanceMs is the wait between two portions of leaderships that go back to first replicas.
const rebalanceMs = 5000

// rebalanceDue gives leaderships back to first replicas, some at a time.
func (c *Core) rebalanceDue() {
	if !c.ctl.active {
		return
	}
	records, more := c.controller().Rebalance(c.working())
	c.appendChanges(records)
	if c.armRebalance(); more {
		c.after(timerKey{timerRebalance, 0}, rebalanceMs)
	}
}
