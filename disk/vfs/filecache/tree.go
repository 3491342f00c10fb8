package filecache

import (
	"slices"
	"strings"
)

// node is a name in the tree of those below which somebody has a file open. It is guarded by FS.mu; name and parent of one change only while FS.names is held
// alone as well, so who holds it shared may go up from a file.
//
// Invariant: a node but the root has files or children.
type node struct {
	parent   *node
	name     string
	children map[string]*node
	files    []*File
}

// find returns the node of a path, nil if there is none.
func (n *node) find(path string) *node {
	for path != "" && n != nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		n = n.children[name]
	}
	return n
}

// make returns the node of a path, made if it is missing.
func (n *node) make(path string) *node {
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		child := n.children[name]
		if child == nil {
			child = &node{name: name}
			n.adopt(child)
		}
		n = child
	}
	return n
}

func (n *node) adopt(child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	child.parent = n
	n.children[child.name] = child
}

// path returns where the node is.
func (n *node) path() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.name
	}
	return n.parent.path() + "/" + n.name
}

// move gives what lies at from the name to. Nothing lies there: it would be an empty directory, or files that were orphaned before.
func (n *node) move(from, to string) {
	moved := n.find(from)
	if moved == nil || moved.parent == nil {
		return
	}
	old := moved.parent
	delete(old.children, moved.name)
	old.prune()
	dir, name := "", to
	if cut := strings.LastIndexByte(to, '/'); cut >= 0 {
		dir, name = to[:cut], to[cut+1:]
	}
	moved.name = name
	n.make(dir).adopt(moved)
}

// prune removes the node, and those above it, as far as nothing is left below them.
func (n *node) prune() {
	for n.parent != nil && len(n.children) == 0 && len(n.files) == 0 {
		delete(n.parent.children, n.name)
		n = n.parent
	}
}

// leaveTree takes the file off its name. Caller holds FS.mu and mu.
func (f *File) leaveTree() {
	n := f.node
	if n == nil {
		return
	}
	f.node = nil
	n.files = slices.DeleteFunc(n.files, func(o *File) bool { return o == f })
	n.prune()
}
