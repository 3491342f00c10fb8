package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
)

func step(name string, op kmsg.IncrementalAlterConfigOp, value string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
	return kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: op, Value: &value}
}

func steps(kind kmsg.ConfigResourceType, name string, list ...kmsg.IncrementalAlterConfigsRequestResourceConfig) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version, req.Resources = 1, []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kind, ResourceName: name, Configs: list}}
	return req
}

const (
	set1     = kmsg.IncrementalAlterConfigOpSet
	remove   = kmsg.IncrementalAlterConfigOpDelete
	appendTo = kmsg.IncrementalAlterConfigOpAppend
	subtract = kmsg.IncrementalAlterConfigOpSubtract
)

// parted are the parts of a list that are not empty, as Kafka's controller takes an old value apart.
func parted(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(part string) bool { return part == "" })
}

// TestAltersAgainstModel: after any sequence of both requests the image holds, and DescribeConfigs' settings say, what a map that is changed by hand does.
func TestAltersAgainstModel(t *testing.T) {
	s := state(t)
	records, _ := s.CreateTopics(brokers(t, 1), create(topic("a")))
	values := map[string][]string{"retention.ms": {"1", "2", "x", "-7"}, "flush.messages": {"1", "1000"}, "cleanup.policy": {"delete", "", "compact"},
		"segment.bytes": {"300", "3"}, "no.such.key": {"1"}, "preallocate": {"false", "true"}}
	keys := slices.Sorted(maps.Keys(values))
	right := map[string]bool{"retention.ms=1": true, "retention.ms=2": true, "flush.messages=1": true, "flush.messages=1000": true, "cleanup.policy=delete": true,
		"cleanup.policy=": true, "segment.bytes=300": true, "preallocate=false": true}
	rapid.Check(t, func(t *rapid.T) {
		img, err := image.Empty().Replay(records, image.At{})
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]string{}
		for range rapid.IntRange(1, 12).Draw(t, "requests") {
			next, ok := maps.Clone(model), true
			var list []kmsg.IncrementalAlterConfigsRequestResourceConfig
			legacy := rapid.Bool().Draw(t, "legacy")
			if legacy {
				clear(next)
			}
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID).Draw(t, "keys") {
				value := rapid.SampledFrom(values[key]).Draw(t, "value")
				op := set1
				if !legacy {
					op = rapid.SampledFrom([]kmsg.IncrementalAlterConfigOp{set1, set1, remove, appendTo, subtract}).Draw(t, "op")
				}
				list = append(list, step(key, op, value))
				old, had := model[key]
				if !had {
					old = "delete" // of the only list
				}
				switch {
				case op == remove:
					delete(next, key)
					continue
				case op != set1 && key != "cleanup.policy":
					ok = false
				case op == appendTo:
					if parts := parted(old); slices.Contains(parts, value) {
						value = strings.Join(parts, ",")
					} else {
						value = strings.Join(append(parts, value), ",")
					}
				case op == subtract:
					parts := parted(old)
					value = strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == value }), ",")
				}
				next[key] = value
				ok = ok && (right[key+"="+value] || key == "cleanup.policy" && strings.Trim(value, ",") == "delete")
			}
			var made []image.Record
			var code errcode.Code
			if legacy {
				req := kmsg.NewPtrAlterConfigsRequest()
				r := kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a"}
				for _, c := range list {
					r.Configs = append(r.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: c.Name, Value: c.Value})
				}
				req.Resources = append(req.Resources, r)
				records, resp := s.AlterConfigs(img, req)
				made, code = records, errcode.Code(resp.Resources[0].ErrorCode)
			} else {
				records, resp := s.IncrementalAlterConfigs(img, steps(kmsg.ConfigResourceTypeTopic, "a", list...))
				made, code = records, errcode.Code(resp.Resources[0].ErrorCode)
			}
			if (code == errcode.None) != ok || !ok && (code != errcode.InvalidConfig || len(made) > 0) {
				t.Fatalf("%v on %v: %v, want it right: %t", list, model, code, ok)
			}
			if ok {
				model = next
			}
			if img, err = img.Replay(made, image.At{Offset: img.Offset() + 1}); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, e := range img.Config(image.ResourceTopic, "a") {
				got[e.Name] = e.Value
			}
			if !maps.Equal(got, model) {
				t.Fatalf("the image holds %v, want %v", got, model)
			}
			for _, x := range config.TopicSettings(s.Config, config.Entries(img, image.ResourceTopic, "a")) {
				want, own := model[x.Key.Name]
				if own != (x.Synonyms[0].Source == config.FromTopic) || own && x.Value() != want || !own && x.Value() != x.Key.Default {
					t.Fatalf("%s is described as %v", x.Key.Name, x.Synonyms)
				}
			}
		}
	})
}

func TestAlterRefusals(t *testing.T) {
	s := state(t)
	records, _ := s.CreateTopics(brokers(t, 1), create(topic("a")))
	img := replay(t, brokers(t, 1), records)
	topicType, brokerType := kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	null := step("retention.ms", set1, "")
	null.Value = nil
	for i, c := range []struct {
		req     *kmsg.IncrementalAlterConfigsRequest
		code    errcode.Code
		message string
	}{
		{steps(topicType, "b", step("retention.ms", set1, "1")), errcode.UnknownTopicOrPartition, "does not exist"},
		{steps(topicType, "a", step("retention.ms", set1, "1"), step("retention.ms", remove, "")), errcode.InvalidRequest, "duplicate config keys"},
		{steps(topicType, "a", null), errcode.InvalidRequest, "Null value not supported"},
		{steps(topicType, "a", step("retention.ms", 7, "1")), errcode.InvalidRequest, "Unknown operation"},
		{steps(topicType, "a", step("retention.ms", appendTo, "1")), errcode.InvalidConfig, "type is not LIST"},
		{steps(topicType, "a", step("retention.mss", set1, "1")), errcode.InvalidConfig, `did you mean "retention.ms"?`},
		{steps(topicType, "a", step("min.compaction.lag.ms", set1, "9"), step("max.compaction.lag.ms", set1, "8")), errcode.InvalidConfig, "must not exceed"},
		{steps(topicType, "a", step("cleanup.policy", set1, strings.Repeat("x", 40000))), errcode.InvalidConfig, "maximum value size"},
		{steps(brokerType, "1", step("listeners", set1, "x")), errcode.InvalidRequest, "Cannot update these configs dynamically"},
		{steps(brokerType, "1", step("log.retention.ms", set1, "x")), errcode.InvalidRequest, "Not a number of type"},
		{steps(brokerType, "2", step("log.retention.ms", set1, "1")), errcode.BrokerIDNotRegistered, "No broker with id 2 found."},
		{steps(brokerType, "01", step("log.retention.ms", set1, "1")), errcode.InvalidRequest, "Unable to parse broker name"},
		{steps(brokerType, "-1", step("log.retention.ms", set1, "1")), errcode.InvalidRequest, "Invalid negative broker ID."},
		{steps(kmsg.ConfigResourceTypeClientMetrics, "m", step("interval.ms", set1, "1")), errcode.InvalidRequest, "Unsupported resource type"},
		{steps(brokerType, "1", step("log.retention.ms", set1, "1")), errcode.None, ""},
		{steps(brokerType, "", step("log.retention.ms", set1, "1")), errcode.None, ""},
	} {
		made, resp := s.IncrementalAlterConfigs(img, c.req)
		r := resp.Resources[0]
		if errcode.Code(r.ErrorCode) != c.code || c.code != errcode.None && (len(made) > 0 || !strings.Contains(*r.ErrorMessage, c.message)) {
			t.Errorf("%d: %v %s, want %v %q", i, errcode.Code(r.ErrorCode), fmt.Sprint(r.ErrorMessage), c.code, c.message)
		}
	}
	twice := steps(topicType, "a", step("retention.ms", set1, "1"))
	twice.Resources = append(twice.Resources, twice.Resources[0])
	if made, resp := s.IncrementalAlterConfigs(img, twice); len(made) > 0 || errcode.Code(resp.Resources[1].ErrorCode) != errcode.InvalidRequest {
		t.Errorf("a resource named twice: %+v", resp)
	}
	dry := steps(topicType, "a", step("retention.ms", set1, "1"))
	dry.ValidateOnly = true
	if made, resp := s.IncrementalAlterConfigs(img, dry); len(made) > 0 || resp.Resources[0].ErrorCode != 0 {
		t.Errorf("validation alone: %d records, %+v", len(made), resp)
	}
}

// What Kafka stored in a topic and does not act here stays, and the topic's other configs can be changed beside it.
func TestAlterBesideWhatDoesNotAct(t *testing.T) {
	s := state(t)
	records, _ := s.CreateTopics(brokers(t, 1), create(topic("a")))
	compact := "compact"
	img := replay(t, brokers(t, 1), append(records, &image.ConfigRecord{ResourceType: image.ResourceTopic, ResourceName: "a", Name: "cleanup.policy", Value: &compact}))
	made, resp := s.IncrementalAlterConfigs(img, steps(kmsg.ConfigResourceTypeTopic, "a", step("retention.ms", set1, "1")))
	if len(made) != 1 || resp.Resources[0].ErrorCode != 0 {
		t.Errorf("%d records, %+v", len(made), resp.Resources[0])
	}
}

// The node's defaults follow what the metadata log says, this broker's own before every broker's.
func TestDynamicDefaults(t *testing.T) {
	s := state(t)
	img := brokers(t, 1)
	for _, c := range []struct{ of, value, want string }{{"", "5", "5"}, {"1", "6", "6"}, {"", "7", "6"}} {
		made, _ := s.IncrementalAlterConfigs(img, steps(kmsg.ConfigResourceTypeBroker, c.of, step("log.flush.interval.messages", set1, c.value)))
		img = replay(t, img, made)
		n := s.Config.At(img)
		if fmt.Sprint(n.Topic.FlushMessages) != c.want || n.At(img) != n {
			t.Errorf("%q=%s: flush.messages %d, want %s", c.of, c.value, n.Topic.FlushMessages, c.want)
		}
	}
	made, _ := s.IncrementalAlterConfigs(img, steps(kmsg.ConfigResourceTypeBroker, "1", step("log.flush.interval.messages", remove, "")))
	if n := s.Config.At(replay(t, img, made)); n.Topic.FlushMessages != 7 {
		t.Errorf("every broker's default does not hold again: %d", n.Topic.FlushMessages)
	}
}

func grow(name string, count int32, assignment ...[]int32) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	t := kmsg.CreatePartitionsRequestTopic{Topic: name, Count: count}
	for _, a := range assignment {
		t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: a})
	}
	req.Version, req.Topics = 3, []kmsg.CreatePartitionsRequestTopic{t}
	return req
}

func TestCreatePartitions(t *testing.T) {
	s := state(t)
	records, _ := s.CreateTopics(brokers(t, 1), create(topic("a"))) // three
	img := replay(t, brokers(t, 1), records)
	for i, c := range []struct {
		req  *kmsg.CreatePartitionsRequest
		code errcode.Code
		made int
	}{
		{grow("a", 5), errcode.None, 2}, {grow("a", 4, []int32{1}), errcode.None, 1},
		{grow("a", 3), errcode.InvalidPartitions, 0}, {grow("a", 2), errcode.InvalidPartitions, 0}, {grow("a", -1), errcode.InvalidPartitions, 0},
		{grow("b", 5), errcode.UnknownTopicOrPartition, 0}, {grow("a", 5, []int32{1}), errcode.InvalidReplicaAssignment, 0},
		{grow("a", 4, []int32{2}), errcode.InvalidReplicaAssignment, 0}, {grow("a", 4, []int32{1, 1}), errcode.InvalidReplicaAssignment, 0},
		{grow("a", 4, []int32{}), errcode.InvalidReplicaAssignment, 0}, {grow("a", 3+MaxRecords+1), errcode.PolicyViolation, 0}, {grow("a", 1<<30), errcode.InvalidPartitions, 0},
	} {
		made, resp := s.CreatePartitions(img, c.req)
		if errcode.Code(resp.Topics[0].ErrorCode) != c.code || len(made) != c.made {
			t.Errorf("%d: %v, %d records", i, errcode.Code(resp.Topics[0].ErrorCode), len(made))
		}
		if after, _ := replay(t, img, made).Topic("a"); len(after.Partitions) != 3+c.made {
			t.Errorf("%d: the topic has %d partitions", i, len(after.Partitions))
		}
		c.req.ValidateOnly = true
		if made, resp := s.CreatePartitions(img, c.req); errcode.Code(resp.Topics[0].ErrorCode) != c.code || len(made) > 0 {
			t.Errorf("%d, validation alone: %v, %d records", i, errcode.Code(resp.Topics[0].ErrorCode), len(made))
		}
	}
	twice := grow("a", 4)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	if made, resp := s.CreatePartitions(img, twice); len(made) > 0 || errcode.Code(resp.Topics[0].ErrorCode) != errcode.InvalidRequest {
		t.Errorf("a topic named twice: %+v", resp.Topics)
	}
}
