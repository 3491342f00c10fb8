package controller

import (
	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/record"
)

// harden adds to changes of configs what follows where a topic becomes durable: a new leader epoch for each of its partitions that has several replicas, in the same batch. What
// followers claimed before was written only; what they claim in the new epoch is durable, because each one takes up the config with the epoch and syncs when it begins.
func (s *State) harden(img *image.Image, records []image.Record) []image.Record {
	node, topics := false, map[string]bool{}
	for _, r := range records {
		c, ok := r.(*image.ConfigRecord)
		switch {
		case ok && c.ResourceType == image.ResourceBroker && c.Name == "log.flush.interval.messages":
			node = true // some broker's default: whose, and what it was, does not matter
		case ok && c.ResourceType == image.ResourceTopic && c.Name == "flush.messages":
			topics[c.ResourceName] = true
		}
	}
	if !node && len(topics) == 0 {
		return records
	}
	after := s.newElection(img, records...).img
	for t := range after.Topics() {
		hardens := topics[t.Name] && !s.durable(img, t.Name) && s.durable(after, t.Name)
		if !hardens && !(node && !own(after, t.Name, "flush.messages")) {
			continue
		}
		for i, p := range t.Partitions {
			if len(p.Replicas) > 1 && p.Leader != record.NoNode {
				c := image.NewPartitionChange()
				c.TopicID, c.PartitionID, c.Leader = t.ID, int32(i), p.Leader // the same leader: the epoch rises
				records = append(records, c)
			}
		}
	}
	return records
}

func (s *State) durable(img *image.Image, topic string) bool {
	cfg, _ := config.StoredTopic(s.Config.At(img), config.Entries(img, image.ResourceTopic, topic))
	return cfg.Durable()
}

func own(img *image.Image, topic, key string) bool {
	for _, e := range img.Config(image.ResourceTopic, topic) {
		if e.Name == key {
			return true
		}
	}
	return false
}
