package query

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
)

func describe(v *View, kind kmsg.ConfigResourceType, name string, keys ...string) *kmsg.DescribeConfigsResponseResource {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeSynonyms, req.IncludeDocumentation = 4, true, true
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: keys}}
	return &DescribeConfigs(v, req).Resources[0]
}

func TestDescribeConfigs(t *testing.T) {
	v := view(t, config.Entry{Key: "log.segment.bytes", Value: "4096"})
	value := "7"
	v.Image, _ = v.Image.Replay([]image.Record{&image.ConfigRecord{ResourceType: image.ResourceTopic, ResourceName: "t", Name: "retention.ms", Value: &value}}, image.At{Offset: 6})
	topic := describe(v, kmsg.ConfigResourceTypeTopic, "t")
	if topic.ErrorCode != 0 || len(topic.Configs) != len(config.TopicKeys) {
		t.Fatalf("%d of %d configs, %v", len(topic.Configs), len(config.TopicKeys), errcode.Code(topic.ErrorCode))
	}
	for _, c := range topic.Configs {
		if c.Documentation == nil || *c.Documentation == "" || c.ConfigType == kmsg.ConfigTypeUnknown || c.ReadOnly {
			t.Errorf("%+v", c)
		}
		switch c.Name {
		case "retention.ms":
			if *c.Value != "7" || c.Source != kmsg.ConfigSourceDynamicTopicConfig || len(c.ConfigSynonyms) != 1 {
				t.Errorf("%+v", c)
			}
		case "segment.bytes":
			if *c.Value != "4096" || c.Source != kmsg.ConfigSourceStaticBrokerConfig || c.ConfigType != kmsg.ConfigTypeInt {
				t.Errorf("%+v", c)
			}
		}
	}
	if named := describe(v, kmsg.ConfigResourceTypeTopic, "t", "retention.ms", "no.such.key"); len(named.Configs) != 1 {
		t.Errorf("asked for one: %+v", named.Configs)
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t", ConfigNames: []string{}}}
	if all := DescribeConfigs(v, req).Resources[0]; len(all.Configs) != len(config.TopicKeys) {
		t.Errorf("no name is every name; %d configs", len(all.Configs))
	}
	for _, c := range describe(v, kmsg.ConfigResourceTypeBroker, "1").Configs {
		if c.Name == "listeners" && (!c.ReadOnly || c.Source != kmsg.ConfigSourceDefaultConfig) || c.Name == "log.segment.bytes" && *c.Value != "4096" {
			t.Errorf("%+v", c)
		}
	}
	for _, c := range []struct {
		kind kmsg.ConfigResourceType
		name string
		want errcode.Code
	}{
		{kmsg.ConfigResourceTypeTopic, "nope", errcode.UnknownTopicOrPartition}, {kmsg.ConfigResourceTypeTopic, "b/d", errcode.InvalidTopicException},
		{kmsg.ConfigResourceTypeBroker, "", errcode.None}, {kmsg.ConfigResourceTypeBroker, "2", errcode.InvalidRequest}, {kmsg.ConfigResourceTypeBroker, "x", errcode.InvalidRequest},
		{kmsg.ConfigResourceTypeBrokerLogger, "1", errcode.None}, {kmsg.ConfigResourceTypeClientMetrics, "", errcode.InvalidRequest},
		{kmsg.ConfigResourceTypeClientMetrics, "m", errcode.None}, {kmsg.ConfigResourceTypeGroupConfig, "g", errcode.None},
		{kmsg.ConfigResourceTypeGroupConfig, "", errcode.InvalidRequest}, {3, "", errcode.InvalidRequest},
	} {
		if r := describe(v, c.kind, c.name); errcode.Code(r.ErrorCode) != c.want || (r.ErrorMessage == nil) != (c.want == errcode.None) || c.want != errcode.None && len(r.Configs) > 0 {
			t.Errorf("type %d %q: %v", c.kind, c.name, errcode.Code(r.ErrorCode))
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	v := view(t, config.Entry{Key: "ssl.key.password", Value: "secret"})
	shown := describe(v, kmsg.ConfigResourceTypeBroker, "1", "ssl.key.password").Configs
	if len(shown) != 1 || shown[0].Value != nil || !shown[0].IsSensitive || shown[0].ConfigType != kmsg.ConfigTypePassword {
		t.Fatalf("%+v", shown)
	}
	for _, s := range shown[0].ConfigSynonyms {
		if s.Value != nil {
			t.Errorf("a synonym shows %q", *s.Value)
		}
	}
}
