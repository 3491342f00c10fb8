package core

import (
	"slices"
	"strconv"
	"strings"

	"odradek/core/image"
	"odradek/core/record"
)

func (c *Core) note(kind NoteKind, fields ...KeyValue) {
	c.fx.Notes = append(c.fx.Notes, Note{kind, fields})
}

func number[T ~int | ~int32 | ~int64](key string, n T) KeyValue {
	return KeyValue{key, strconv.FormatInt(int64(n), 10)}
}

// noteTopic tells what a committed batch changed of a topic: that it is made or gone, has more partitions, or partitions have another leader.
func (c *Core) noteTopic(old *image.Image, id record.UUID) {
	before, was := old.TopicByID(id)
	after, is := c.meta.committed.TopicByID(id)
	switch {
	case is && !was:
		c.note(NoteTopicCreated, KeyValue{"topic", after.Name}, KeyValue{"id", id.String()}, number("partitions", len(after.Partitions)))
	case was && !is:
		c.note(NoteTopicDeleted, KeyValue{"topic", before.Name}, KeyValue{"id", id.String()}, number("partitions", len(before.Partitions)))
	case was:
		if len(after.Partitions) > len(before.Partitions) {
			c.note(NotePartitionsCreated, KeyValue{"topic", after.Name}, number("partitions", len(after.Partitions)), number("before", len(before.Partitions)))
		}
		if c.meta.stage == stageReady { // a start itself moves leaderships
			c.noteLeaders(before, after)
		}
	}
}

// noteLeaders tells of the partitions of a topic whose leader is another: one note for each pair of leaders.
func (c *Core) noteLeaders(before, after *image.Topic) {
	type move struct{ from, to record.NodeID }
	var moves []move
	partitions := map[move][]string{}
	for i := range before.Partitions {
		m := move{before.Partitions[i].Leader, after.Partitions[i].Leader}
		if m.from == m.to {
			continue
		}
		if partitions[m] == nil {
			moves = append(moves, m)
		}
		partitions[m] = append(partitions[m], strconv.Itoa(i))
	}
	for _, m := range moves {
		c.note(NoteLeaderChanged, KeyValue{"topic", after.Name}, KeyValue{"partitions", strings.Join(partitions[m], ",")}, number("from", m.from), number("to", m.to))
	}
}

// configResource is a resource whose configs a batch changes.
type configResource struct {
	kind image.ResourceType
	name string
}

// resourceNames are those of kafka-configs --entity-type.
var resourceNames = map[image.ResourceType]string{image.ResourceTopic: "topic", image.ResourceBroker: "broker", image.ResourceClientMetrics: "client-metrics", image.ResourceGroup: "group"}

// noteConfigs tells what a committed batch changed of configs.
func (c *Core) noteConfigs(old *image.Image, changed []configResource) {
	for _, r := range changed {
		before, after := old.Config(r.kind, r.name), c.meta.committed.Config(r.kind, r.name)
		var set, removed []string
		for _, e := range after {
			if !slices.Contains(before, e) {
				set = append(set, e.Name+"="+e.Value)
			}
		}
		for _, e := range before {
			if !slices.ContainsFunc(after, func(other image.ConfigEntry) bool { return other.Name == e.Name }) {
				removed = append(removed, e.Name)
			}
		}
		if len(set)+len(removed) == 0 {
			continue
		}
		c.note(NoteConfigChanged, KeyValue{"resource", resourceNames[r.kind]}, KeyValue{"name", r.name}, KeyValue{"set", strings.Join(set, ",")},
			KeyValue{"removed", strings.Join(removed, ",")})
	}
}

// onSpace takes up how much room a directory has, and tells when it becomes too little for batches. That there is enough again is told when there is twice as
// much: around the limit it would be told every second.
func (c *Core) onSpace(d *dirState, free int64) {
	d.free = free
	switch {
	case !d.full && free < diskReserve:
		d.full = true
		c.note(NoteDiskFull, KeyValue{"path", d.path}, number("free", free),
			KeyValue{"meaning", "produce is answered KAFKA_STORAGE_ERROR, the rest goes on: delete topics, shorten retention or add space"})
	case d.full && free >= 2*diskReserve:
		d.full = false
		c.note(NoteDiskRoom, KeyValue{"path", d.path}, number("free", free))
	}
}
