package core

import (
	"slices"

	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/stream"
)

// nodeConfig is the node's configuration as the committed image changes it.
func (c *Core) nodeConfig() *config.Node {
	c.node = c.node.At(c.meta.committed)
	return c.node
}

func settingsOf(cfg *config.Topic) partition.Settings {
	return partition.Settings{FlushMessages: cfg.FlushMessages, FlushMs: cfg.FlushMs, MinInsync: cfg.MinInsync,
		Roll:      stream.RollLimits{Bytes: cfg.SegmentBytes, Ms: cfg.SegmentMs, Index: stream.IndexLimits{Interval: cfg.IndexInterval, Bytes: cfg.IndexBytes}},
		JitterMs:  cfg.SegmentJitterMs,
		Retention: stream.Retention{Ms: cfg.RetentionMs, Bytes: cfg.RetentionSize}}
}

// configured enters what an applied batch configures: the topics named, or what topics get by default.
func (tail *tailBatch) configured() {
	for i := range tail.records {
		set, ok := tail.records[i].record.(*image.ConfigRecord)
		if !ok {
			continue
		}
		if at := (configResource{set.ResourceType, set.ResourceName}); len(tail.configs) == 0 || tail.configs[len(tail.configs)-1] != at {
			tail.configs = append(tail.configs, at)
		}
		switch set.ResourceType {
		case image.ResourceTopic:
			if t, ok := tail.img.Topic(set.ResourceName); ok && !slices.Contains(tail.topics, t.ID) {
				tail.topics = append(tail.topics, t.ID)
			}
		case image.ResourceBroker:
			tail.defaults = true
		}
	}
}

// defaultsChanged queues every partition: topics without entries of their own get something else from now on.
func (c *Core) defaultsChanged() {
	if c.stop == serving {
		c.takeUps = append(c.takeUps, c.sortedReplicas()...)
	}
}

// configure brings a running replica's settings in line with the committed image, if they changed. The policy of its batches is the connections' to read.
//
// Invariant: whoever was answered that a config is changed finds it in force. The change is published before the answer, and a produce that comes before its
// partition's turn in takeUps configures it first.
func (c *Core) configure(rep *replica) {
	set, defaults := c.meta.committed.Config(image.ResourceTopic, rep.Topic), c.nodeConfig()
	if rep.defaults == defaults && slices.Equal(rep.configs, set) {
		return
	}
	rep.configs, rep.defaults = set, defaults
	cfg, _ := config.StoredTopic(defaults, config.Entries(c.meta.committed, image.ResourceTopic, rep.Topic))
	settings := settingsOf(&cfg)
	if settings == rep.Settings {
		return
	}
	sooner := settings.FlushMs < rep.FlushMs
	var facts partition.Facts
	if rep.Configure(settings, &facts) {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: rep.ID, Generation: rep.Generation})
	}
	if rep.copying.from != nil && !rep.Settled() && !rep.Cutting() { // what it claims next must be durable
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: rep.ID, Generation: rep.Generation})
	}
	c.recount(rep)
	if sooner {
		rep.flushing = false // the timer under way may come too late; it does no harm
	}
	c.flushLater(rep)
	c.settle(rep, &facts)
}

// alterTimeoutMs bounds the wait for a change of configs: the requests name no bound (Kafka's controller takes request.timeout.ms).
const alterTimeoutMs = 30000
