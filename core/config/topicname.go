package config

import (
	"errors"
	"fmt"
)

// maxTopicName is Kafka's: with "-<partition>" the folder's name stays below 255 bytes.
const maxTopicName = 249

// CheckTopicName reports what is wrong with the name of a topic, apart from its being taken.
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return errors.New("Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return fmt.Errorf("Topic name is invalid: '%s' is not allowed", name)
	case len(name) > maxTopicName:
		return fmt.Errorf("Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, maxTopicName)
	case name == "__cluster_metadata":
		return fmt.Errorf("%s is the metadata log", name)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fmt.Errorf("Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return nil
}
