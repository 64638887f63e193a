// Package housetest holds the tests of the house itself: which room may know which, one comment per room, pages that are
// made from code are up to date. It has no code of its own, and what the rooms do is tested in them.
package housetest
