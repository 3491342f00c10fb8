package controller

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// maxConfigValue is Kafka's: the length of a string in a record of its metadata log.
const maxConfigValue = 32767

// change is one config of a resource that a request changes.
type change struct {
	name  string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

// resource names what a request configures.
type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

// IncrementalAlterConfigs returns the records that change the configs of req and the reply that holds once they are committed. A resource with an error gets
// no records; one that names a value already set gets none for it.
func (s *State) IncrementalAlterConfigs(img *image.Image, req *kmsg.IncrementalAlterConfigsRequest) ([]image.Record, *kmsg.IncrementalAlterConfigsResponse) {
	var records []image.Record
	response := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	seen := map[resource]int{}
	for i := range req.Resources {
		seen[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
	}
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		made, problem := s.alter(img, resource{asked.ResourceType, asked.ResourceName}, seen, incremental(asked.Configs), len(records))
		if problem != nil {
			out.ErrorCode, out.ErrorMessage = int16(problem.Code), &problem.Message
		} else if !req.ValidateOnly {
			records = append(records, made...)
		}
		response.Resources = append(response.Resources, out)
	}
	return s.harden(img, s.emptyElrs(img, records)), response
}

// AlterConfigs is the older request: what it names is all that a resource has from then on.
func (s *State) AlterConfigs(img *image.Image, req *kmsg.AlterConfigsRequest) ([]image.Record, *kmsg.AlterConfigsResponse) {
	var records []image.Record
	response := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	seen := map[resource]int{}
	for i := range req.Resources {
		seen[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
	}
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		changes := whole(asked.Configs)
		for _, e := range img.Config(image.ResourceType(asked.ResourceType), asked.ResourceName) {
			if !slices.ContainsFunc(changes, func(c change) bool { return c.name == e.Name }) {
				changes = append(changes, change{e.Name, kmsg.IncrementalAlterConfigOpDelete, nil})
			}
		}
		made, problem := s.alter(img, resource{asked.ResourceType, asked.ResourceName}, seen, changes, len(records))
		if problem != nil {
			out.ErrorCode, out.ErrorMessage = int16(problem.Code), &problem.Message
		} else if !req.ValidateOnly {
			records = append(records, made...)
		}
		response.Resources = append(response.Resources, out)
	}
	return s.harden(img, s.emptyElrs(img, records)), response
}

// incremental are the changes that a request names.
func incremental(configs []kmsg.IncrementalAlterConfigsRequestResourceConfig) (out []change) {
	for _, c := range configs {
		out = append(out, change{c.Name, c.Op, c.Value})
	}
	return out
}

// whole are those of the older request, without what it takes away.
func whole(configs []kmsg.AlterConfigsRequestResourceConfig) (out []change) {
	for _, c := range configs {
		out = append(out, change{c.Name, kmsg.IncrementalAlterConfigOpSet, c.Value})
	}
	return out
}

// alter returns the records for the changes of one resource. already is how many records the request has made before.
func (s *State) alter(img *image.Image, of resource, seen map[resource]int, changes []change, already int) ([]image.Record, *Problem) {
	if seen[of] > 1 {
		return nil, problem(errcode.InvalidRequest, "Each resource must appear at most once.")
	}
	if p := checkChanges(changes); p != nil {
		return nil, p
	}
	if p := checkResource(img, of); p != nil {
		return nil, p
	}
	kind := image.ResourceType(of.kind)
	before := config.Entries(img, kind, of.name)
	changed := make(map[string]bool, len(changes))
	var after []config.Entry
	var records []image.Record
	for _, c := range changes {
		old, had := find(before, c.name)
		value, p := s.valueAfter(of, c, old, had)
		if p != nil {
			return nil, p
		}
		if changed[c.name] = true; value != nil {
			after = append(after, config.Entry{Key: c.name, Value: *value})
		}
		if had != (value != nil) || had && old != *value {
			records = append(records, &image.ConfigRecord{ResourceType: kind, ResourceName: of.name, Name: c.name, Value: value})
		}
	}
	for _, e := range before {
		if !changed[e.Key] {
			after = append(after, e)
		}
	}
	if already+len(records) > MaxRecords {
		return nil, problem(errcode.PolicyViolation, "one request may change at most %d configs: split it", MaxRecords)
	}
	if err := config.CheckTopicName(of.name); err != nil && of.kind == kmsg.ConfigResourceTypeTopic {
		return nil, problem(errcode.InvalidTopicException, "%v", err)
	}
	if of.kind == kmsg.ConfigResourceTypeBroker {
		// Kafka's broker answers so too: INVALID_CONFIG would be better, and clients know this one (KAFKA-13609).
		if err := config.CheckBrokerChange(before, after); err != nil {
			return nil, problem(errcode.InvalidRequest, "%v", err)
		}
	} else if err := config.CheckTopicChange(s.Config, before, after); err != nil {
		return nil, problem(errcode.InvalidConfig, "%v", err)
	}
	if _, ok := img.Topic(of.name); !ok && of.kind == kmsg.ConfigResourceTypeTopic { // as in Kafka, the values are looked at first
		return nil, problem(errcode.UnknownTopicOrPartition, "The topic '%s' does not exist.", of.name)
	}
	return records, nil
}

// checkChanges checks what does not depend on the resource.
func checkChanges(changes []change) *Problem {
	seen := make(map[string]bool, len(changes))
	var nulls []string
	for _, c := range changes {
		switch {
		case seen[c.name]:
			return problem(errcode.InvalidRequest, "Error due to duplicate config keys")
		case c.value == nil && c.op != kmsg.IncrementalAlterConfigOpDelete:
			nulls = append(nulls, c.name)
		case c.op < kmsg.IncrementalAlterConfigOpSet || c.op > kmsg.IncrementalAlterConfigOpSubtract:
			return problem(errcode.InvalidRequest, "Unknown operation %d on %s", c.op, c.name)
		}
		seen[c.name] = true
	}
	if len(nulls) > 0 {
		return problem(errcode.InvalidRequest, "Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return nil
}

func checkResource(img *image.Image, of resource) *Problem {
	switch of.kind {
	case kmsg.ConfigResourceTypeTopic:
		if of.name == "" {
			return problem(errcode.InvalidRequest, "Default topic resources are not allowed.")
		}
		return nil
	case kmsg.ConfigResourceTypeBroker:
		if of.name == "" {
			return nil
		}
		id, err := strconv.ParseInt(of.name, 10, 32)
		switch {
		case err != nil || strconv.Itoa(int(id)) != of.name:
			return problem(errcode.InvalidRequest, "Unable to parse broker name as a base 10 number.")
		case id < 0:
			return problem(errcode.InvalidRequest, "Invalid negative broker ID.")
		}
		if _, ok := img.Broker(record.NodeID(id)); !ok {
			return problem(errcode.BrokerIDNotRegistered, "No broker with id %d found.", id)
		}
		return nil
	}
	return problem(errcode.InvalidRequest, "Unsupported resource type: %d", of.kind)
}

// valueAfter returns the value that a change gives, nil if it takes it away.
func (s *State) valueAfter(of resource, c change, old string, had bool) (*string, *Problem) {
	switch c.op {
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		table := config.TopicKeys
		if of.kind == kmsg.ConfigResourceTypeBroker {
			table = config.NodeKeys
		}
		k, ok := config.Find(table, c.name)
		if !ok || k.Type != config.List {
			op := "APPEND"
			if c.op == kmsg.IncrementalAlterConfigOpSubtract {
				op = "SUBTRACT"
			}
			return nil, problem(errcode.InvalidConfig, "Can't %s to key %s because its type is not LIST.", op, c.name)
		}
		if !had {
			old = s.byDefault(of, k)
		}
		value := edited(old, *c.value, c.op == kmsg.IncrementalAlterConfigOpAppend)
		c.value = &value
	}
	if len(*c.value) > maxConfigValue {
		return nil, problem(errcode.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", maxConfigValue)
	}
	return c.value, nil
}

// byDefault is the value of a key that a resource does not set.
func (s *State) byDefault(of resource, k *config.Key) string {
	settings := config.NodeSettings(s.Config)
	if of.kind == kmsg.ConfigResourceTypeTopic {
		settings = config.TopicSettings(s.Config, nil)
	}
	for i := range settings {
		if settings[i].Key == k {
			return settings[i].Value()
		}
	}
	return k.Default
}

// edited appends the parts of value to a list, or takes them away: like Kafka's ConfigurationControlManager, which drops the empty parts of the old list, and of
// the new one those at its end (java's String.split).
func edited(list, value string, add bool) string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	asked := strings.Split(value, ",")
	for value != "" && len(asked) > 0 && asked[len(asked)-1] == "" {
		asked = asked[:len(asked)-1]
	}
	for _, part := range asked {
		at := slices.Index(parts, part)
		switch {
		case add && at < 0:
			parts = append(parts, part)
		case !add && at >= 0:
			parts = slices.Delete(parts, at, at+1)
		}
	}
	return strings.Join(parts, ",")
}

func find(entries []config.Entry, name string) (string, bool) {
	for _, e := range entries {
		if e.Key == name {
			return e.Value, true
		}
	}
	return "", false
}
