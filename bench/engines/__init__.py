"""Other engines behind the façade of our contract: which of its clauses does each fulfil?"""
