package clientlib

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// Topic is a topic as a broker describes it.
type Topic struct {
	Name       string
	ID         [16]byte // zero: the broker has none (before Kafka 2.8)
	Internal   bool
	Partitions []Partition // by number
}

// Partition is a partition of a Topic.
type Partition struct {
	Partition   int32
	Leader      int32 // -1: none
	LeaderEpoch int32 // -1: unknown
	Replicas    []int32
	ISR         []int32
	Offline     []int32 // replicas whose broker or directory is gone
}

// Healthy reports whether a partition has a leader and every replica is in sync.
func (p *Partition) Healthy() bool { return p.Leader >= 0 && len(p.ISR) == len(p.Replicas) }

// Topics describes the named topics, in that order, or all of them by name if none is named. Asking never creates a topic.
func (a *Admin) Topics(ctx context.Context, names ...string) ([]Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, broker, err := ask(ctx, a, req, proto.Any(), func(r *kmsg.MetadataResponse) errcode.Code {
		for i := range r.Topics {
			if errcode.Code(r.Topics[i].ErrorCode) == errcode.LeaderNotAvailable { // it is being made
				return errcode.LeaderNotAvailable
			}
		}
		return errcode.None
	})
	if err != nil {
		return nil, err
	}
	var out []Topic
	var failed []error
	for i := range resp.Topics {
		told := &resp.Topics[i]
		name := ""
		if told.Topic != nil {
			name = *told.Topic
		}
		if err := refusal("Metadata", name, -1, broker, told.ErrorCode, nil); err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, topicOf(name, told))
	}
	slices.SortStableFunc(out, func(a, b Topic) int {
		if len(names) > 0 {
			return cmp.Compare(slices.Index(names, a.Name), slices.Index(names, b.Name))
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return out, errors.Join(failed...)
}

func topicOf(name string, told *kmsg.MetadataResponseTopic) Topic {
	t := Topic{Name: name, ID: told.TopicID, Internal: told.IsInternal}
	for i := range told.Partitions {
		p := &told.Partitions[i]
		t.Partitions = append(t.Partitions, Partition{p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR, p.OfflineReplicas})
	}
	slices.SortFunc(t.Partitions, func(a, b Partition) int { return cmp.Compare(a.Partition, b.Partition) })
	return t
}

// NewTopic is a topic to be made.
type NewTopic struct {
	Name              string
	Partitions        int32     // 0: the broker's num.partitions
	ReplicationFactor int16     // 0: the broker's default.replication.factor
	Assignment        [][]int32 // brokers of each partition, the preferred leader first; then the two above are not given
	Configs           []ConfigValue
}

// ConfigValue is a key of a configuration and its value.
type ConfigValue struct{ Name, Value string }

// Created is a topic that was made, as the broker says; with validateOnly as it would be.
type Created struct {
	Name              string
	Partitions        int32 // -1: the broker did not say (before Kafka 2.4)
	ReplicationFactor int16 // -1: the broker did not say
}

// CreateTopics makes topics. Those that are returned exist.
func (a *Admin) CreateTopics(ctx context.Context, validateOnly bool, topics ...NewTopic) ([]Created, error) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.ValidateOnly = a.brokerTimeout(ctx), validateOnly
	for i := range topics {
		req.Topics = append(req.Topics, newTopic(&topics[i]))
	}
	resp, broker, err := ask(ctx, a, req, proto.Controller(), func(r *kmsg.CreateTopicsResponse) errcode.Code {
		return anyMoved(len(r.Topics), func(i int) int16 { return r.Topics[i].ErrorCode })
	})
	if err != nil {
		return nil, err
	}
	var out []Created
	var failed []error
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if err := refusal("CreateTopics", t.Topic, -1, broker, t.ErrorCode, t.ErrorMessage); err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, Created{t.Topic, t.NumPartitions, t.ReplicationFactor})
	}
	return out, errors.Join(failed...)
}

func newTopic(t *NewTopic) kmsg.CreateTopicsRequestTopic {
	w := kmsg.NewCreateTopicsRequestTopic()
	w.Topic, w.NumPartitions, w.ReplicationFactor = t.Name, t.Partitions, t.ReplicationFactor
	if w.NumPartitions == 0 || len(t.Assignment) > 0 {
		w.NumPartitions = -1
	}
	if w.ReplicationFactor == 0 || len(t.Assignment) > 0 {
		w.ReplicationFactor = -1
	}
	for i, replicas := range t.Assignment {
		r := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		r.Partition, r.Replicas = int32(i), replicas
		w.ReplicaAssignment = append(w.ReplicaAssignment, r)
	}
	for i := range t.Configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = t.Configs[i].Name, &t.Configs[i].Value
		w.Configs = append(w.Configs, c)
	}
	return w
}

// DeleteTopics deletes topics with all their records, and returns which.
func (a *Admin) DeleteTopics(ctx context.Context, names ...string) ([]string, error) {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis, req.TopicNames = a.brokerTimeout(ctx), names
	for _, name := range names { // version 6 has them as structs
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, broker, err := ask(ctx, a, req, proto.Controller(), func(r *kmsg.DeleteTopicsResponse) errcode.Code {
		return anyMoved(len(r.Topics), func(i int) int16 { return r.Topics[i].ErrorCode })
	})
	if err != nil {
		return nil, err
	}
	var out []string
	var failed []error
	for i := range resp.Topics {
		t := &resp.Topics[i]
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		}
		if err := refusal("DeleteTopics", name, -1, broker, t.ErrorCode, t.ErrorMessage); err != nil {
			failed = append(failed, err)
			continue
		}
		out = append(out, name)
	}
	return out, errors.Join(failed...)
}

// CreatePartitions gives a topic more partitions: count is how many it has afterwards. Records with a key may go to other partitions than before.
func (a *Admin) CreatePartitions(ctx context.Context, topic string, count int32) error {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = a.brokerTimeout(ctx)
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, count
	req.Topics = append(req.Topics, t)
	resp, broker, err := ask(ctx, a, req, proto.Controller(), func(r *kmsg.CreatePartitionsResponse) errcode.Code {
		if len(r.Topics) == 1 {
			return moved(r.Topics[0].ErrorCode)
		}
		return errcode.None
	})
	if err != nil {
		return err
	}
	var failed []error
	for i := range resp.Topics {
		failed = append(failed, refusal("CreatePartitions", resp.Topics[i].Topic, -1, broker, resp.Topics[i].ErrorCode, resp.Topics[i].ErrorMessage))
	}
	return errors.Join(failed...)
}
