package image

import (
	"slices"

	"odradek/core/record"
)

// tidy makes empty slices nil, so that equal images are deeply equal.
func tidy[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func brokerOf(r *RegisterBrokerRecord) *Broker {
	return &Broker{
		ID: r.BrokerID, Incarnation: r.IncarnationID, Epoch: r.BrokerEpoch, Endpoints: tidy(r.EndPoints), Features: tidy(r.Features),
		Rack: r.Rack, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown, LogDirs: tidy(r.LogDirs),
		CordonedLogDirs: r.CordonedLogDirs,
	}
}

// broker finds the registration that a record names by id and epoch.
func (d *Draft) broker(id record.NodeID, epoch int64) (*Broker, error) {
	b, found := d.img.brokers.get(nodeKey(id))
	if !found {
		return nil, inconsistent("broker %d is not registered", id)
	}
	if b.Epoch != epoch {
		return nil, inconsistent("broker %d is registered with epoch %d, not %d", id, b.Epoch, epoch)
	}
	return b, nil
}

func (d *Draft) brokerChange(r *BrokerRegistrationChangeRecord) error {
	old, err := d.broker(r.BrokerID, r.BrokerEpoch)
	if err != nil {
		return err
	}
	if r.Fenced < -1 || r.Fenced > 1 || r.InControlledShutdown < 0 || r.InControlledShutdown > 1 {
		return inconsistent("broker %d: fenced %d, controlled shutdown %d", r.BrokerID, r.Fenced, r.InControlledShutdown)
	}
	b := *old
	if r.Fenced != 0 {
		b.Fenced = r.Fenced > 0
	}
	if r.InControlledShutdown != 0 {
		b.InControlledShutdown = true
	}
	if len(r.LogDirs) > 0 {
		b.LogDirs = r.LogDirs
	}
	if r.CordonedLogDirs != nil {
		b.CordonedLogDirs = r.CordonedLogDirs
	}
	d.img.brokers.put(&d.own.brokers, nodeKey(b.ID), &b)
	return nil
}

// partition creates a partition or replaces it whole. Partitions may come in any order; Freeze demands that none is missing.
func (d *Draft) partition(r *PartitionRecord) error {
	if r.PartitionID < 0 || r.PartitionID >= MaxPartitions {
		return inconsistent("partition %d of topic %s", r.PartitionID, r.TopicID)
	}
	directories, err := directoriesFor(r.Directories, r.Replicas, nil)
	if err != nil {
		return err
	}
	t, err := d.editTopic(r.TopicID)
	if err != nil {
		return err
	}
	for int(r.PartitionID) >= len(t.Partitions) {
		t.Partitions = append(t.Partitions, nil)
	}
	t.Partitions[r.PartitionID] = &Partition{
		Replicas: tidy(r.Replicas), Directories: directories, Isr: tidy(r.Isr), Removing: tidy(r.RemovingReplicas),
		Adding: tidy(r.AddingReplicas), Elr: tidy(r.Elr), LastKnownElr: tidy(r.LastKnownElr), Leader: r.Leader,
		LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch, RecoveryState: r.RecoveryState,
	}
	return nil
}

// directoriesFor returns the directories of replicas: those given, else those of before if they still fit. While every directory is
// MIGRATING the list follows the number of replicas (RECORDS §5).
func directoriesFor(given []record.UUID, replicas []record.NodeID, before []record.UUID) ([]record.UUID, error) {
	if len(given) == 0 {
		if len(before) == len(replicas) {
			return before, nil
		}
		for _, id := range before {
			if id != DirMigrating {
				return nil, inconsistent("%d replicas and no directories for them", len(replicas))
			}
		}
		return tidy(make([]record.UUID, len(replicas))), nil
	}
	if len(given) != len(replicas) {
		return nil, inconsistent("%d replicas and %d directories", len(replicas), len(given))
	}
	return given, nil
}

// partitionChange applies a change (Kafka's PartitionRegistration.merge): the partition epoch rises always, the leader epoch whenever a
// leader is named, even the present one.
func (d *Draft) partitionChange(r *PartitionChangeRecord) error {
	t, err := d.editTopic(r.TopicID)
	if err != nil {
		return err
	}
	if r.PartitionID < 0 || int(r.PartitionID) >= len(t.Partitions) || t.Partitions[r.PartitionID] == nil {
		return inconsistent("topic %q has no partition %d", t.Name, r.PartitionID)
	}
	p := *t.Partitions[r.PartitionID]
	p.PartitionEpoch++
	if r.Leader != LeaderSame {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.RecoveryState != RecoverySame {
		p.RecoveryState = r.RecoveryState
	}
	replace(&p.Replicas, r.Replicas)
	replace(&p.Isr, r.Isr)
	replace(&p.Removing, r.RemovingReplicas)
	replace(&p.Adding, r.AddingReplicas)
	replace(&p.Elr, r.Elr)
	replace(&p.LastKnownElr, r.LastKnownElr)
	if p.Directories, err = directoriesFor(r.Directories, p.Replicas, p.Directories); err != nil {
		return inconsistent("topic %q partition %d: %v", t.Name, r.PartitionID, err)
	}
	t.Partitions[r.PartitionID] = &p
	return nil
}

// replace takes what a change says; nil leaves the field as it is.
func replace(field *[]record.NodeID, with []record.NodeID) {
	if with != nil {
		*field = tidy(with)
	}
}

// clearElr empties the ELR of a topic or of all, which counts as a change of each partition that has one.
func (d *Draft) clearElr(r *ClearElrRecord) error {
	if r.TopicName != "" {
		t, found := d.img.topics.get(nameKey(r.TopicName))
		if !found {
			return inconsistent("no topic is named %q", r.TopicName)
		}
		return d.clearTopicElr(t)
	}
	for _, t := range d.img.topics.all() {
		if err := d.clearTopicElr(t); err != nil {
			return err
		}
	}
	return nil
}

func (d *Draft) clearTopicElr(t *Topic) error {
	hasElr := func(p *Partition) bool { return p != nil && (p.Elr != nil || p.LastKnownElr != nil) }
	if !slices.ContainsFunc(t.Partitions, hasElr) {
		return nil
	}
	t, err := d.editTopic(t.ID)
	if err != nil {
		return err
	}
	for i, p := range t.Partitions {
		if hasElr(p) {
			cleared := *p
			cleared.Elr, cleared.LastKnownElr = nil, nil
			cleared.PartitionEpoch++
			t.Partitions[i] = &cleared
		}
	}
	return nil
}
