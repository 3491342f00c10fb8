package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

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
	if !here || c.meta.committed.Feature(image.MetadataVersion) < image.MetadataVersionDirectories {
		return dir, false
	}
	p := c.committedPartition(rep)
	if p == nil {
		return dir, false
	}
	if dir = c.dirs[rep.Dir].id; c.leavesForLost(rep, p) {
		dir = image.DirLost
	}
	switch {
	case rep.told.unsure:
		return dir, true
	case rep.told.dir != record.UUID{}:
		return dir, rep.told.dir != dir
	}
	return dir, p.DirectoryOf(c.self) != dir
}

// toldDir is what the controller was told of where a replica lies. The committed image may be behind it.
type toldDir struct {
	dir    record.UUID // that it has written down; zero: nothing was told yet
	unsure bool        // it was told something, and has not answered
}

// toldTo takes note of an answer.
func (c *Core) toldTo(sent map[stream.ID]record.UUID, r *kmsg.AssignReplicasToDirsResponse) {
	for i := range r.Directories {
		for j := range r.Directories[i].Topics {
			t := &r.Directories[i].Topics[j]
			for _, p := range t.Partitions {
				id := stream.ID{Topic: t.TopicID, Partition: p.Partition}
				rep, here := c.replicas[id]
				if !here {
					continue
				}
				if rep.told.unsure = false; p.ErrorCode == 0 {
					rep.told.dir = sent[id]
				}
			}
		}
	}
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
	sent := map[stream.ID]record.UUID{}
	for _, id := range told {
		if dir, ok := c.directoryToTell(id); ok && sent[id] == (record.UUID{}) {
			sent[id], c.replicas[id].told.unsure = dir, true
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
		r, ok := resp.(*kmsg.AssignReplicasToDirsResponse)
		if !ok || r.ErrorCode != 0 {
			c.after(timerKey{timerDirectories, 0}, retryLifeMs)
			return
		}
		c.toldTo(sent, r)
		c.life.untold = c.life.untold[n:] // what was refused by itself is gone, or not this broker's, or nobody else has what is lost here
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
