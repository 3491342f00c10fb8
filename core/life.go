package core

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/image"
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
	leaving    bool // a stop waits until other brokers lead what this one led
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
	if c.meta.stage == stageBooting || c.stop != serving || c.meta.quorum.LeaderID() == record.NoNode || c.meta.quorum.LeaderID() == c.self && !c.ctl.active {
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
		c.startCheckpoints()
		c.tellTakenOver()
	}
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
		c.wantAll()
		c.untoldDirectories()
	}
	if !c.allStored() || len(c.life.untold) > 0 {
		return
	}
	m.stage = stageUnfencing
	c.live()
}

// untoldDirectories finds the partitions of which the metadata log does not say in which directory they were found.
func (c *Core) untoldDirectories() {
	for _, id := range c.sortedReplicas() {
		c.mayBeUntold(id)
	}
	c.tellDirectories()
}

// mayBeUntold notes a partition whose directory the controller is to be told (KIP-858).
func (c *Core) mayBeUntold(id stream.ID) {
	if _, ok := c.directoryToTell(id); ok {
		c.life.untold = append(c.life.untold, id)
	}
}

// directoryToTell returns where a partition lies if the committed image says something else.
func (c *Core) directoryToTell(id stream.ID) (dir record.UUID, differs bool) {
	rep, here := c.replicas[id]
	t, ok := c.meta.committed.TopicByID(id.Topic)
	if !here || !ok || int(id.Partition) >= len(t.Partitions) || c.meta.committed.Feature(image.MetadataVersion) < image.MetadataVersionDirectories {
		return dir, false
	}
	dir = c.dirs[rep.Dir].id
	return dir, t.Partitions[id.Partition].DirectoryOf(c.self) != dir
}

// maxTold is how many partitions one request names (Kafka's MAX_ASSIGNMENTS_PER_REQUEST).
const maxTold = 2250

// tellDirectories tells the controller where partitions lie, some at a time, until it has heard of all.
func (c *Core) tellDirectories() {
	l := &c.life
	if l.telling || len(l.untold) == 0 || l.epoch == 0 || c.stop != serving {
		return
	}
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = int32(c.self), l.epoch
	told := l.untold[:min(maxTold, len(l.untold))]
	for _, id := range told {
		if dir, ok := c.directoryToTell(id); ok {
			addAssignment(req, dir, id)
		}
	}
	n := len(told)
	if len(req.Directories) == 0 {
		l.untold = l.untold[n:]
		c.tellDirectories()
		c.maybeUnfence()
		return
	}
	l.telling = true
	c.askController(req, func(c *Core, resp kmsg.Response) {
		c.life.telling = false
		if r, ok := resp.(*kmsg.AssignReplicasToDirsResponse); !ok || r.ErrorCode != 0 {
			c.after(timerKey{timerDirectories, 0}, retryLifeMs)
			return
		}
		c.life.untold = c.life.untold[n:] // what was refused by itself is gone, or not this broker's
		c.tellDirectories()
		c.maybeUnfence()
	})
}

func addAssignment(req *kmsg.AssignReplicasToDirsRequest, dir record.UUID, id stream.ID) {
	d := -1
	for i := range req.Directories {
		if req.Directories[i].ID == dir {
			d = i
		}
	}
	if d < 0 {
		d = len(req.Directories)
		out := kmsg.NewAssignReplicasToDirsRequestDirectory()
		out.ID = dir
		req.Directories = append(req.Directories, out)
	}
	topics := &req.Directories[d].Topics
	if n := len(*topics); n == 0 || (*topics)[n-1].TopicID != id.Topic {
		out := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
		out.TopicID = id.Topic
		*topics = append(*topics, out)
	}
	t := &(*topics)[len(*topics)-1]
	p := kmsg.NewAssignReplicasToDirsRequestDirectoryTopicPartition()
	p.Partition = id.Partition
	t.Partitions = append(t.Partitions, p)
}

// leaveMs bounds how long a stop waits until others lead what this broker led.
const leaveMs = 5000

// leave begins a controlled shutdown, where there is anybody who could lead in this broker's place. false: there is not.
func (c *Core) leave() bool {
	if c.life.leaving {
		return true
	}
	others := false
	for b := range c.meta.committed.Brokers() {
		others = others || b.ID != c.self && !b.Fenced
	}
	if b, ok := c.meta.committed.Broker(c.self); !c.cfg.Broker || !others || !ok || b.Fenced {
		return false
	}
	c.life.leaving = true
	c.after(timerKey{timerLeave, 0}, leaveMs)
	c.live()
	return true
}

// left goes on with the stop.
func (c *Core) left() {
	c.life.leaving = false
	c.timers.Cancel(timerKey{timerLeave, 0})
	c.beginStop()
}
