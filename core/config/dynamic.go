package config

import (
	"fmt"
	"slices"
	"strconv"

	"odradek/core/image"
)

// Entries returns what the image holds for a resource.
func Entries(img *image.Image, kind image.ResourceType, name string) []Entry {
	set := img.Config(kind, name)
	if len(set) == 0 {
		return nil
	}
	out := make([]Entry, len(set))
	for i, e := range set {
		out[i] = Entry{e.Name, e.Value}
	}
	return out
}

// dynamic are the values that the metadata log gives to keys of the node, apart from its own configuration.
type dynamic struct {
	own     []image.ConfigEntry // for this broker
	cluster []image.ConfigEntry // for every broker
}

func dynamicOf(img *image.Image, n *Node) dynamic {
	return dynamic{own: img.Config(image.ResourceBroker, strconv.Itoa(int(n.NodeID))), cluster: img.Config(image.ResourceBroker, "")}
}

// Dynamic reports whether the metadata log may set a key of the node: those that give topics their defaults, which everyone reads from the image.
func (k *Key) Dynamic() bool {
	return k.Fixed == "" && slices.ContainsFunc(topicSynonyms[:], func(s [2]string) bool { return s[1] == k.Name })
}

// At returns the node's configuration as the image changes it: n, if nothing changed since n. What is stored and cannot act is left out (see IgnoredBroker).
func (n *Node) At(img *image.Image) *Node {
	d := dynamicOf(img, n)
	if slices.Equal(n.dynamic.own, d.own) && slices.Equal(n.dynamic.cluster, d.cluster) {
		return n
	}
	next := *n
	next.dynamic = d
	next.topicDefaults = next.defaults()
	var err error
	if next.Topic, err = ParseTopic(&next, nil); err != nil {
		panic("invariant: a dynamic config was not checked: " + err.Error())
	}
	return &next
}

// acting returns the value that stored entries give to a key of the node, if it can act.
func acting(stored []image.ConfigEntry, k *Key) (string, bool) {
	for _, e := range stored {
		if e.Name == k.Name && k.Dynamic() && k.Check(e.Value) == nil {
			return e.Value, true
		}
	}
	return "", false
}

// IgnoredBroker counts what the image holds for brokers and does not act here.
func IgnoredBroker(n *Node, img *image.Image) int {
	d := dynamicOf(img, n)
	ignored := img.ConfigCount(image.ResourceBroker)
	for _, stored := range [][]image.ConfigEntry{d.own, d.cluster} {
		for _, e := range stored {
			if k, ok := Find(NodeKeys, e.Name); ok && k.Dynamic() && k.Check(e.Value) == nil {
				ignored--
			}
		}
	}
	return ignored
}

// CheckTopicChange reports what is wrong with the configs that a topic would have. What it has already and stays is not looked at by itself: a topic that
// another broker made may hold what does not act here, and its other configs can still be changed.
func CheckTopicChange(node *Node, before, after []Entry) error {
	var acting []Entry
	for _, e := range after {
		_, err := parse(TopicKeys, []Entry{e})
		if err != nil && !slices.Contains(before, e) {
			return err
		}
		if err == nil {
			acting = append(acting, e)
		}
	}
	return CheckTopic(node, acting)
}

// CheckBrokerChange is CheckTopicChange for what the metadata log says of a broker, or of all.
func CheckBrokerChange(before, after []Entry) error {
	for _, e := range after {
		if slices.Contains(before, e) {
			continue
		}
		k, ok := Find(NodeKeys, e.Key)
		if !ok || !k.Dynamic() {
			return fmt.Errorf("Cannot update these configs dynamically: [%s]", e.Key)
		}
		if err := k.Check(e.Value); err != nil {
			return err
		}
	}
	return nil
}
