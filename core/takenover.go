package core

import (
	"fmt"
	"strings"

	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/record"
)

// Kafka's internal topics, whose records hold the state of coordinators. They are served as plain topics.
var internalTopics = []struct{ name, holds string }{
	{"__consumer_offsets", "groups and committed offsets"},
	{"__transaction_state", "transactions: who reads with read_committed is given open and aborted ones too"},
	{"__share_group_state", "share groups"},
	{"__remote_log_metadata", "tiered segments"},
}

// tellTakenOver says once at a start what the directory holds that this node keeps and does not act on. Access rules come apart from the rest: who trusts in
// them must learn that they protect nothing.
func (c *Core) tellTakenOver() {
	img := c.meta.committed
	var held, access []KeyValue
	add := func(list *[]KeyValue, name string, n int) {
		if n > 0 {
			*list = append(*list, KeyValue{name, fmt.Sprint(n)})
		}
	}
	add(&access, "acls", count(img.ACLs()))
	add(&access, "scram-credentials", count(img.ScramCredentials()))
	add(&access, "delegation-tokens", count(img.Tokens()))
	if len(access) > 0 {
		c.note(NoteUnprotected, append(access, KeyValue{"meaning", "every client may do everything: nothing here authenticates or authorises"})...)
	}
	for _, internal := range internalTopics {
		if n := c.recordsOf(internal.name); n > 0 {
			held = append(held, KeyValue{internal.name, fmt.Sprintf("%d offsets of %s", n, internal.holds)})
		}
	}
	add(&held, "client-quotas", count(img.Quotas()))
	add(&held, "broker-configs", config.IgnoredBroker(c.cfg, img))
	add(&held, "group-configs", img.ConfigCount(image.ResourceGroup))
	add(&held, "client-metrics-configs", img.ConfigCount(image.ResourceClientMetrics))
	for b := range img.Brokers() {
		if b.ID != c.self && c.cfg.Alone() && b.Fenced {
			held = append(held, KeyValue{"broker", fmt.Sprintf("%d is registered and does not take part", b.ID)})
		}
	}
	if len(held) > 0 {
		c.note(NoteNotTakenOver, append(held, KeyValue{"meaning", "kept as it is, without effect"})...)
	}
}

func count[T any](seq func(yield func(T) bool)) (n int) {
	for range seq {
		n++
	}
	return n
}

// recordsOf counts the offsets that the partitions of a topic hold.
func (c *Core) recordsOf(topic string) (n record.Offset) {
	t, ok := c.meta.committed.Topic(topic)
	if !ok {
		return 0
	}
	for id, rep := range c.replicas { // any order: a sum
		if id.Topic == t.ID {
			n += rep.Ends.Log - rep.Start
		}
	}
	return n
}

// tellIgnored names the stored configs of a topic that do not act.
func (c *Core) tellIgnored(topic string, ignored []config.Ignored) {
	if len(ignored) == 0 {
		return
	}
	fields := []KeyValue{{"topic", topic}}
	for _, i := range ignored {
		fields = append(fields, KeyValue{i.Key, i.Value + " (" + strings.TrimPrefix(i.Why, i.Key+" ") + ")"})
	}
	c.note(NoteConfigIgnored, fields...)
}

// tellUnclean names the partitions that a last known leader takes up without being known to hold every committed record.
func (c *Core) tellUnclean(elected []image.Record) {
	for _, r := range elected {
		if p, ok := r.(*image.PartitionChangeRecord); ok && p.RecoveryState == 1 && p.Leader >= 0 {
			t, _ := c.working().TopicByID(p.TopicID)
			c.note(NoteUnclean, KeyValue{"topic", t.Name}, KeyValue{"partition", fmt.Sprint(p.PartitionID)})
		}
	}
}
