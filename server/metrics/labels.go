package metrics

// Outcome tells how it ended. The definitions list the values.
type Outcome struct{ Outcome string }

// Method is an RPC method without its package, for example StartWorkflowExecution.
type Method struct{ Method string }

// Namespaced carries the name of a namespace.
type Namespaced struct{ Namespace string }

// NamespaceOutcome tells how it ended in a namespace.
type NamespaceOutcome struct{ Namespace, Outcome string }

// Store names a backend: memory, sqlite, postgres.
type Store struct{ Store string }

// TaskType is workflow, activity or nexus.
type TaskType struct{ TaskType string }
