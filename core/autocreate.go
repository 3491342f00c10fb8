package core

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/query"
)

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
