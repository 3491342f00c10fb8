package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// life is what this node is to the active controller. A broker registers, takes up its partitions, asks to be unfenced, and tells from then on that it lives.
// What it is stands in the committed image alone: answers only say when to ask again.
type life struct {
	epoch      int64 // of this incarnation's registration, as committed; 0: there is none
	controller record.NodeID
	turn       uint64 // of the question whose answer counts
	asking     bool   // a registration or heartbeat is on its way
	again      bool   // something changed since it was sent
	named      bool   // the controller knows this incarnation as a controller, or wants to hear nothing of it
	naming     bool
	leaving    bool  // until other brokers lead what this one led
	leftBy     int64 // no longer than until then, in ms
	heard      int64 // when the controller last answered, while it leaves
	gone       bool  // they do, or were waited for long enough
	stopping   bool  // a Stop waits for it
	untold     []stream.ID
	telling    bool
}

// retryLifeMs is the wait before a registration or heartbeat that came to nothing is sent again.
const retryLifeMs = 50

// leaderChanged is called when the quorum's leader may be another one. What the last one was asked counts no more: it may never answer.
func (c *Core) leaderChanged() {
	l := &c.life
	if id := c.meta.quorum.LeaderID(); id != l.controller {
		l.controller = id
		l.asking, l.naming, l.named = false, false, false
		l.turn++
		c.live()
	}
}

// live tells the active controller what this node is and wants: at once, or when what is on its way is answered.
func (c *Core) live() {
	l := &c.life
	if c.meta.stage == stageBooting || c.stop != serving || l.gone || c.meta.quorum.LeaderID() == record.NoNode || c.meta.quorum.LeaderID() == c.self && !c.ctl.active {
		return
	}
	c.nameController()
	if !c.cfg.Broker {
		c.advanceStage()
		return
	}
	if l.asking {
		l.again = true
		return
	}
	l.asking, l.again = true, false
	c.timers.Cancel(timerKey{timerLife, 0})
	l.turn++
	turn := l.turn
	if l.epoch == 0 {
		c.askController(c.brokerRegistration(), func(c *Core, resp kmsg.Response) { c.onRegistered(turn, resp) })
	} else {
		// One that is lost must not cost the session.
		c.askControllerOn(LaneControl, int32(c.cfg.Replication.SessionMs/3), c.brokerHeartbeat(), func(c *Core, resp kmsg.Response) { c.onHeartbeat(turn, resp) })
	}
}

func (c *Core) brokerRegistration() kmsg.Request {
	return controller.BrokerRegistration(c.cfg, c.clusterID, c.incarnation, c.standing(), c.cleanEpoch())
}

// cleanEpoch is the broker epoch that every directory was left with in order; -1: one was not.
func (c *Core) cleanEpoch() int64 {
	for i := range c.dirs {
		if !c.dirs[i].clean || c.dirs[i].left != c.dirs[0].left {
			return -1
		}
	}
	return c.dirs[0].left
}

// standing lists the ids of the directories that work.
func (c *Core) standing() (ids []record.UUID) {
	for i := range c.dirs {
		if !c.dirs[i].failed {
			ids = append(ids, c.dirs[i].id)
		}
	}
	return ids
}

func (c *Core) brokerHeartbeat() kmsg.Request {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version = 1
	req.BrokerID, req.BrokerEpoch = int32(c.self), c.life.epoch
	req.CurrentMetadataOffset = int64(c.meta.committed.Offset())
	req.WantFence, req.WantShutdown = c.meta.stage < stageUnfencing, c.life.leaving
	for i := range c.dirs {
		if c.dirs[i].failed {
			req.OfflineLogDirs = append(req.OfflineLogDirs, c.dirs[i].id)
		}
	}
	return req
}

// onRegistered takes the answer to a registration. That it is registered the broker learns from the committed image, with all that was committed before.
func (c *Core) onRegistered(turn uint64, resp kmsg.Response) {
	if turn != c.life.turn {
		return
	}
	wait := int64(retryLifeMs)
	if r, ok := resp.(*kmsg.BrokerRegistrationResponse); ok {
		switch code := errcode.Code(r.ErrorCode); code {
		case errcode.None:
			wait = c.cfg.Replication.HeartbeatMs
		case errcode.InconsistentClusterID:
			c.halt(fmt.Sprintf("the controllers are of another cluster than %s, to which this node's directories belong", c.clusterID))
			return
		case errcode.NotController, errcode.RequestTimedOut, errcode.DuplicateBrokerRegistration: // of the last incarnation, whose session is not over yet
		default:
			c.note(NoteRegistrationRefused, KeyValue{"reason", code.String()})
			wait = c.cfg.Replication.HeartbeatMs
		}
	}
	c.nextSign(wait)
}

// onHeartbeat takes the answer to a heartbeat.
func (c *Core) onHeartbeat(turn uint64, resp kmsg.Response) {
	if turn != c.life.turn {
		return
	}
	wait := int64(retryLifeMs)
	if r, ok := resp.(*kmsg.BrokerHeartbeatResponse); ok && errcode.Code(r.ErrorCode) != errcode.NotController && errcode.Code(r.ErrorCode) != errcode.RequestTimedOut {
		c.life.heard = c.nowMs()
		if wait = c.cfg.Replication.HeartbeatMs; c.life.leaving {
			wait = retryLifeMs
		}
		if r.ShouldShutdown && c.life.leaving {
			c.left()
			return
		}
	}
	if c.life.controller == c.self && c.meta.stage == stageReady && wait == c.cfg.Replication.HeartbeatMs && !c.life.again {
		c.life.asking = false // while this node lives, so does its broker: only changes are worth telling
		return
	}
	c.nextSign(wait)
}

// nextSign sets when the controller hears of this broker again.
func (c *Core) nextSign(ms int64) {
	l := &c.life
	if l.asking = false; l.again {
		c.live()
		return
	}
	c.after(timerKey{timerLife, 0}, ms)
}

// nameController registers this incarnation as a controller.
func (c *Core) nameController() {
	l := &c.life
	if !c.cfg.Controller || l.named || l.naming {
		return
	}
	l.naming = true
	asked := l.controller
	c.askControllerOn(LaneForward, callTimeoutMs, controller.ControllerRegistration(c.cfg, c.incarnation), func(c *Core, resp kmsg.Response) {
		if asked != c.life.controller {
			return
		}
		c.life.naming = false
		r, ok := resp.(*kmsg.ControllerRegistrationResponse)
		code := errcode.NotController
		if ok {
			code = errcode.Code(r.ErrorCode)
		}
		if c.life.named = code != errcode.NotController && code != errcode.RequestTimedOut; !c.life.named && !c.cfg.Broker {
			c.after(timerKey{timerLife, 0}, retryLifeMs)
		}
	})
}

// advanceStage carries the start of this incarnation on, as far as the committed image says.
func (c *Core) advanceStage() {
	m := &c.meta
	if m.stage == stageBooting || c.stop != serving {
		return
	}
	c.maybeControl()
	if !c.cfg.Broker {
		if m.stage != stageReady && m.quorum.LeaderID() != record.NoNode {
			c.ready()
		}
		return
	}
	b, known := m.committed.Broker(c.self)
	mine := known && b.Incarnation == c.incarnation
	switch {
	case m.stage > stageRegistering && known && !mine:
		c.halt(fmt.Sprintf("another process registered as broker %d", c.self))
	case m.stage > stageRegistering && !known:
		if c.life.epoch != 0 { // unregistered while it lives: it registers again
			c.life.epoch = 0
			c.live()
		}
	case m.stage == stageRegistering && mine:
		m.stage, c.life.epoch = stageRegistered, b.Epoch
		c.takeUps = c.takeUps[:0] // all of them, each once
		for t := range m.committed.Topics() {
			for i := range t.Partitions {
				c.takeUps = append(c.takeUps, stream.ID{Topic: t.ID, Partition: int32(i)})
			}
		}
		c.maybeUnfence()
	case m.stage > stageRegistering && c.life.epoch != b.Epoch:
		c.life.epoch = b.Epoch
		c.live()
	case m.stage == stageRegistered:
		c.maybeUnfence()
	case m.stage == stageUnfencing && !b.Fenced && len(c.takeUps) == 0:
		c.ready()
	}
}

// ready says that the node serves.
func (c *Core) ready() {
	m := &c.meta
	m.stage = stageReady
	if c.cfg.Broker {
		c.startRetention()
		c.tellTakenOver()
	}
	c.startCheckpoints()
	c.armSnapshot()
	c.cleanMetadata()
	c.maybeSnapshot(false)
	c.note(NoteReady, KeyValue{"epoch", fmt.Sprint(m.quorum.Epoch())}, KeyValue{"topics", fmt.Sprint(m.committed.TopicCount())})
}

// maybeUnfence asks to be unfenced once every recovered stream has been taken up, the checkpoints say so, and the controller knows where each one lies.
func (c *Core) maybeUnfence() {
	m := &c.meta
	if m.stage != stageRegistered || c.unopened > 0 || len(c.takeUps) > 0 || c.stop != serving {
		return
	}
	if !m.tookUp {
		// What the checkpoints held counted for the streams that were found with their topic. Entries of others must be gone before a partition is made.
		m.tookUp = true
		c.dropStrays()
		c.wantFirst()
		c.untoldDirectories()
	}
	if !c.allStored() || len(c.life.untold) > 0 {
		return
	}
	m.stage = stageUnfencing
	c.live()
}
