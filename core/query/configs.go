package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
)

// DescribeConfigs answers DescribeConfigs: of topics, of this broker (by its id) and of every broker's default (""), of client metrics and groups.
func DescribeConfigs(v *View, req *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	response := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		settings, code, message := v.settings(asked)
		if code != errcode.None {
			out.ErrorCode, out.ErrorMessage = int16(code), &message
		}
		for j := range settings {
			if s := &settings[j]; len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, s.Key.Name) {
				out.Configs = append(out.Configs, describeSetting(s, req))
			}
		}
		response.Resources = append(response.Resources, out)
	}
	return response
}

// settings returns the configs of a resource, or why there are none.
func (v *View) settings(asked *kmsg.DescribeConfigsRequestResource) ([]config.Setting, errcode.Code, string) {
	name := asked.ResourceName
	switch asked.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if err := config.CheckTopicName(name); err != nil {
			return nil, errcode.InvalidTopicException, err.Error()
		}
		if _, ok := v.Image.Topic(name); !ok {
			return nil, errcode.UnknownTopicOrPartition, errcode.UnknownTopicOrPartition.String()
		}
		return config.TopicSettings(v.Config, config.Entries(v.Image, image.ResourceTopic, name)), errcode.None, ""
	case kmsg.ConfigResourceTypeBroker:
		if name == "" {
			return stored(v.Image, image.ResourceBroker, "", config.FromBrokerDefault), errcode.None, ""
		}
		if why := v.notSelf(name); why != "" {
			return nil, errcode.InvalidRequest, why
		}
		return config.NodeSettings(v.Config), errcode.None, ""
	case kmsg.ConfigResourceTypeBrokerLogger:
		if why := v.notSelf(name); why != "" {
			return nil, errcode.InvalidRequest, why
		}
		return nil, errcode.None, "" // there are no loggers with levels of their own
	case kmsg.ConfigResourceTypeClientMetrics:
		if name == "" {
			return nil, errcode.InvalidRequest, "Client metrics subscription name must not be empty"
		}
		return stored(v.Image, image.ResourceClientMetrics, name, config.FromClientMetrics), errcode.None, ""
	case kmsg.ConfigResourceTypeGroupConfig:
		if name == "" {
			return nil, errcode.InvalidRequest, "Group name must not be empty"
		}
		return stored(v.Image, image.ResourceGroup, name, config.FromGroup), errcode.None, ""
	}
	return nil, errcode.InvalidRequest, fmt.Sprintf("Unsupported resource type: %d", asked.ResourceType)
}

// notSelf says why name is not this broker's id; "" if it is.
func (v *View) notSelf(name string) string {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return fmt.Sprintf("Broker id must be an integer, but it is: %s", name)
	}
	if int32(id) != int32(v.Self) {
		return fmt.Sprintf("Unexpected broker id, expected %d or empty string, but received %s", v.Self, name)
	}
	return ""
}

// stored lists what the image holds for a resource whose configs do not act here: kept as text, without defaults.
func stored(img *image.Image, kind image.ResourceType, name string, from config.Source) []config.Setting {
	var out []config.Setting
	for _, e := range img.Config(kind, name) {
		k, ok := config.Find(config.NodeKeys, e.Name)
		if !ok || kind != image.ResourceBroker {
			k = &config.Key{Name: e.Name, Type: config.String}
		}
		out = append(out, config.Setting{Key: k, Synonyms: []config.Synonym{{Name: e.Name, Value: e.Value, Source: from}}})
	}
	return out
}

// describeSetting writes one config. Passwords are not shown; what only the configuration file can set is read-only.
func describeSetting(s *config.Setting, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	value := strings.TrimSpace(s.Value()) // as it acts
	out.Name, out.Value = s.Key.Name, &value
	if out.IsSensitive = s.Key.Type == config.Password; out.IsSensitive || s.Null {
		out.Value = nil
	}
	out.Source, out.ConfigType = kmsg.ConfigSource(s.Source()), typeOf(s.Key.Type)
	out.ReadOnly = s.ReadOnly
	if req.IncludeSynonyms {
		for _, from := range s.Synonyms {
			if from.Unlisted {
				continue
			}
			synonym := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			value := strings.TrimSpace(from.Value)
			synonym.Name, synonym.Value, synonym.Source = from.Name, &value, kmsg.ConfigSource(from.Source)
			if out.IsSensitive {
				synonym.Value = nil
			}
			out.ConfigSynonyms = append(out.ConfigSynonyms, synonym)
		}
	}
	if req.IncludeDocumentation {
		doc := s.Key.Doc
		out.Documentation = &doc
	}
	return out
}

func typeOf(t config.Type) kmsg.ConfigType {
	switch t {
	case config.Bool:
		return kmsg.ConfigTypeBoolean
	case config.Int:
		return kmsg.ConfigTypeInt
	case config.Long:
		return kmsg.ConfigTypeLong
	case config.List:
		return kmsg.ConfigTypeList
	case config.Short:
		return kmsg.ConfigTypeShort
	case config.Class:
		return kmsg.ConfigTypeClass
	case config.Password:
		return kmsg.ConfigTypePassword
	case config.Double, config.Number:
		return kmsg.ConfigTypeDouble
	}
	return kmsg.ConfigTypeString
}
