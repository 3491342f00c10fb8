package clientlib

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// Resource is something that has a configuration.
type Resource struct {
	Broker bool
	Name   string // of a topic; of a broker its node id, empty for what every broker has by default
}

// TopicResource is a topic.
func TopicResource(name string) Resource { return Resource{Name: name} }

// BrokerResource is a broker.
func BrokerResource(id int32) Resource { return Resource{Broker: true, Name: strconv.Itoa(int(id))} }

// EveryBroker is what brokers have where they have nothing of their own.
func EveryBroker() Resource { return Resource{Broker: true} }

func (r Resource) wire() kmsg.ConfigResourceType {
	if r.Broker {
		return kmsg.ConfigResourceTypeBroker
	}
	return kmsg.ConfigResourceTypeTopic
}

// target is who knows: a broker of its own configuration, anyone of the rest.
func (r Resource) target() (proto.Target, error) {
	if !r.Broker || r.Name == "" {
		return proto.Any(), nil
	}
	id, err := strconv.ParseInt(r.Name, 10, 32)
	if err != nil {
		return proto.Target{}, &proto.Error{Op: "broker " + r.Name, Partition: -1, Code: errcode.InvalidRequest, Message: "not a node id", Hint: "odradek cluster info shows them"}
	}
	return proto.Broker(int32(id)), nil
}

// ConfigEntry is one key of a configuration as a broker describes it.
type ConfigEntry struct {
	Name      string
	Value     *string // nil: not told (a secret), or none
	Source    string  // Kafka's name of it, such as DEFAULT_CONFIG or DYNAMIC_TOPIC_CONFIG
	Default   bool    // nobody set it
	ReadOnly  bool
	Sensitive bool
}

// Configs describes a configuration by key; only the named keys if there are any.
func (a *Admin) Configs(ctx context.Context, of Resource, keys ...string) ([]ConfigEntry, error) {
	to, err := of.target()
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = of.wire(), of.Name, keys
	req.Resources = append(req.Resources, r)
	resp, broker, err := ask[*kmsg.DescribeConfigsResponse](ctx, a, req, to, nil)
	if err != nil {
		return nil, err
	}
	var out []ConfigEntry
	for i := range resp.Resources {
		told := &resp.Resources[i]
		if err := configRefusal("DescribeConfigs", of, broker, told.ErrorCode, told.ErrorMessage); err != nil {
			return nil, err
		}
		for j := range told.Configs {
			e := &told.Configs[j]
			out = append(out, ConfigEntry{e.Name, e.Value, e.Source.String(), e.Source == kmsg.ConfigSourceDefaultConfig, e.ReadOnly, e.IsSensitive})
		}
	}
	slices.SortFunc(out, func(a, b ConfigEntry) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func configRefusal(op string, of Resource, broker string, code int16, message *string) error {
	err := refusal(op, "", -1, broker, code, message)
	var e *proto.Error
	if !errors.As(err, &e) {
		return nil
	}
	if e.Topic = of.Name; of.Broker {
		e.Op, e.Topic = fmt.Sprintf("%s of broker %s", op, of.Name), ""
	}
	return e
}

// ConfigChange is what becomes of one key.
type ConfigChange struct {
	Name  string
	Op    ConfigOp
	Value string // not of ConfigDelete
}

// ConfigOp is a kind of change.
type ConfigOp int8

// The kinds. Append and Subtract are for keys whose value is a list.
const (
	ConfigSet ConfigOp = iota
	ConfigDelete
	ConfigAppend
	ConfigSubtract
)

// AlterConfigs changes keys and leaves the others as they are; with validateOnly it only says whether it would.
func (a *Admin) AlterConfigs(ctx context.Context, of Resource, validateOnly bool, changes ...ConfigChange) error {
	to, err := of.target()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = validateOnly
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = of.wire(), of.Name
	for i := range changes {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op = changes[i].Name, kmsg.IncrementalAlterConfigOp(changes[i].Op)
		if changes[i].Op != ConfigDelete {
			c.Value = &changes[i].Value
		}
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	resp, broker, err := ask(ctx, a, req, to, func(r *kmsg.IncrementalAlterConfigsResponse) errcode.Code {
		if len(r.Resources) == 1 {
			return moved(r.Resources[0].ErrorCode)
		}
		return errcode.None
	})
	if err != nil {
		return err
	}
	for i := range resp.Resources {
		if err := configRefusal("IncrementalAlterConfigs", of, broker, resp.Resources[i].ErrorCode, resp.Resources[i].ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}
