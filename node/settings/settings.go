// Package settings gathers a node's configuration from where people write it: a server.properties, KAFKA_* variables of the environment, --set. It knows of
// each entry where it was given; what the entries mean is core/config's.
package settings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"odradek/core/config"
	"odradek/core/properties"
)

// Sources are the places to look, the later ones of greater weight: the file, the environment, --set.
type Sources struct {
	File    string   // path of a server.properties; empty: none
	Environ []string // NAME=value
	Set     []string // key=value
}

// Given is one entry and where it was given.
type Given struct {
	config.Entry
	Origin string // such as server.properties:12, KAFKA_NUM_PARTITIONS, --set
}

// Settings are all entries by rising weight: of a key, the last counts.
type Settings struct {
	Given     []Given
	ClusterID string   // CLUSTER_ID of the environment: of a directory that is new
	Ignored   []string // KAFKA_* variables that name no key of Kafka's
}

// Gather reads all sources. The error says where the mistake is.
func Gather(s Sources) (*Settings, error) {
	out := new(Settings)
	if s.File != "" {
		if err := out.file(s.File); err != nil {
			return nil, err
		}
	}
	out.environment(s.Environ)
	for _, text := range s.Set {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q is not key=value", text)
		}
		out.add(key, value, "--set")
	}
	return out, nil
}

func (s *Settings) add(key, value, origin string) {
	s.Given = append(s.Given, Given{config.Entry{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)}, origin})
}

func (s *Settings) file(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	entries, err := properties.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, p := range entries {
		s.add(p.Key, p.Value, fmt.Sprintf("%s:%d", path, p.Line))
	}
	return nil
}

// environment takes the variables by the rule of Kafka's own image: KAFKA_ off, ___ is -, __ is _, _ is a dot. Who runs Kafka beside us has KAFKA_* variables
// that are not configuration (KAFKA_OPTS, KAFKA_HEAP_OPTS): those that name no key are only reported.
func (s *Settings) environment(environ []string) {
	names := slices.Sorted(slices.Values(environ))
	for _, variable := range names {
		name, value, _ := strings.Cut(variable, "=")
		if name == "CLUSTER_ID" {
			s.ClusterID = value
			continue
		}
		rest, ok := strings.CutPrefix(name, "KAFKA_")
		if !ok {
			continue
		}
		key := strings.NewReplacer("___", "-", "__", "_", "_", ".").Replace(strings.ToLower(rest))
		if k, _ := config.Known(key); k == nil {
			s.Ignored = append(s.Ignored, name)
			continue
		}
		s.add(key, value, name)
	}
}

// Entries are the settings without their origins.
func (s *Settings) Entries() []config.Entry {
	out := make([]config.Entry, len(s.Given))
	for i := range s.Given {
		out[i] = s.Given[i].Entry
	}
	return out
}

// Origin says where the value of a key was given that counts; "" if nowhere.
func (s *Settings) Origin(key string) string {
	for _, g := range slices.Backward(s.Given) {
		if g.Key == key {
			return g.Origin
		}
	}
	return ""
}

// Parse makes a node's configuration of the settings. The error says where the mistake is.
func (s *Settings) Parse() (*config.Node, error) {
	node, err := config.ParseNode(s.Entries())
	if about := new(config.KeyError); errors.As(err, &about) {
		if origin := s.Origin(about.Key); origin != "" {
			return nil, fmt.Errorf("%s: %w", origin, err)
		}
	}
	return node, err
}
