package config

import "fmt"

// maxTopicName is Kafka's: with "-<partition>" the folder's name stays below 255 bytes.
const maxTopicName = 249

// CheckTopicName reports what is wrong with the name of a topic, apart from its being taken.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a topic's name must not be empty")
	case name == "." || name == "..":
		return fmt.Errorf("a topic cannot be named %q", name)
	case len(name) > maxTopicName:
		return fmt.Errorf("a topic's name has at most %d characters, not %d", maxTopicName, len(name))
	case name == "__cluster_metadata":
		return fmt.Errorf("%s is the metadata log", name)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fmt.Errorf("a topic's name has only letters, digits, '.', '_' and '-', but %q has %q", name, r)
		}
	}
	return nil
}
